//go:build node

// The example in Node.js passes what every plugin passes, in any language.

package node_test

import (
	"path/filepath"
	"testing"

	"github.com/onetimenotify/otn/plugins/channeltest"
)

func TestConformance(t *testing.T) {
	program, err := filepath.Abs("letterbox.js")
	if err != nil {
		t.Fatal(err)
	}
	channeltest.RunProgram(t, channeltest.Program{Command: []string{program}, Config: []byte(`{"file":"box.txt"}`), WorkDir: t.TempDir()})
}
