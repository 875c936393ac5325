// otn version: what this program was built from.

package main

import (
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// built is what a program knows of its making.
type built struct {
	Version string `json:"version"`
	Commit  string `json:"commit,omitempty"`
	Go      string `json:"go"`
	System  string `json:"system"`
}

func version() built {
	b := built{Version: "devel", Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH}
	about, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if v := about.Main.Version; v != "" && v != "(devel)" {
		b.Version = v
	}
	for _, s := range about.Settings {
		if s.Key == "vcs.revision" {
			b.Commit = s.Value
		}
	}
	return b
}

func (k *call) version() *cobra.Command {
	return &cobra.Command{
		Use: "version", GroupID: "set", Short: "What this program was built from", Example: "  otn version -o json", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			k.started = true
			b := version()
			t := &table{head: []string{"VERSION", "COMMIT", "GO", "SYSTEM"}}
			t.add(b.Version, dash(b.Commit), b.Go, b.System)
			return k.show(b, t)
		},
	}
}
