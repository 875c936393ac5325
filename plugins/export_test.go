// What tests see of the inside.

package plugins

import (
	"context"
	"os/exec"
)

// Pinned is the command that a pinned program would be started with, as the plugin that dies.
func Pinned(ctx context.Context, path, lock string) (*exec.Cmd, error) {
	file, err := find([]string{path}, lock)
	if err != nil {
		return nil, err
	}
	c := &child{program: file, args: []string{"dies"}}
	cmd := c.command(ctx)
	return cmd, nil
}
