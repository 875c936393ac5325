// Backups through the door: the daemon copies its own store.

package api

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/otn"
)

// BackupBody says where a backup goes.
type BackupBody struct {
	Dir string `json:"dir" minLength:"1" maxLength:"4096" doc:"A folder of the daemon's machine, absolute, empty or not there yet."`
}

type backupIn struct {
	Idempotent
	Body BackupBody
}

func (d *door) backup(ctx context.Context, in *backupIn) (*answer[core.Backup], error) {
	if !filepath.IsAbs(in.Body.Dir) {
		return nil, d.problem(ctx, fmt.Errorf("dir is not absolute: %w", otn.ErrInvalid))
	}
	about(ctx, "%s", filepath.Clean(in.Body.Dir))
	b, err := d.host.Backup(ctx, filepath.Clean(in.Body.Dir))
	return say(ctx, d, 201, b, err)
}
