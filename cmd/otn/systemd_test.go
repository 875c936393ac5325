//go:build systemd

// What systemd itself says of the unit: it needs systemd-analyze.

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestUnitAsSystemdReadsIt(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	unit := text(t, "examples/operate/otn.service")
	path := filepath.Join(t.TempDir(), "otn.service")
	if err := os.WriteFile(path, []byte(strings.Replace(unit, "/usr/bin/otn ", self+" ", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("systemd-analyze", "verify", "--man=no", path).CombinedOutput()
	if err != nil || strings.Contains(string(out), "otn.service:") {
		t.Errorf("verify: %v\n%s", err, out)
	}
	out, err = exec.Command("systemd-analyze", "security", "--offline=true", "--threshold=20", path).CombinedOutput() // in tenths
	if err != nil {
		t.Errorf("security: %v\n%s", err, out)
	}
}
