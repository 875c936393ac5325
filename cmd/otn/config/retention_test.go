// How long what has happened is kept: days, with sound defaults.

package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/onetimenotify/otn/cmd/otn/config"
	"github.com/onetimenotify/otn/core"
)

func TestRetention(t *testing.T) {
	const day = 24 * time.Hour
	for _, c := range []struct {
		text, fault string
		want        core.Retention
	}{
		{"", "", core.DefaultRetention()},
		{"{journal: 7d}", "", core.Retention{Journal: 7 * day, Decisions: 90 * day, Deliveries: 400 * day}},
		{"{journal: 1d, decisions: 2d, deliveries: 35d}", "", core.Retention{Journal: day, Decisions: 2 * day, Deliveries: 35 * day}},
		{"{journal: 0d}", "retention.journal", core.Retention{}},
		{"{decisions: 12h}", "write days, as in 90d", core.Retention{}},
		{"{decisions: -3d}", "retention.decisions", core.Retention{}},
		{"{deliveries: 34d}", "35d, because", core.Retention{}},
		{"{messages: 34d}", "messages", core.Retention{}},
	} {
		file := filepath.Join(t.TempDir(), "otn.yaml")
		text := "rules: []\n"
		if c.text != "" {
			text += "retention: " + c.text + "\n"
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := config.Load(config.Options{File: file, Part: config.Door})
		switch {
		case c.fault != "":
			if err == nil || !strings.Contains(err.Error(), c.fault) {
				t.Errorf("%s: %v, want %s", c.text, err, c.fault)
			}
		case err != nil || got.Keep != c.want:
			t.Errorf("%s: %+v, %v", c.text, got, err)
		}
	}
}
