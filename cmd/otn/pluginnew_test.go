// What otn plugins new writes builds, and passes the suite.

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestNewPluginBuildsAndPasses(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a program")
	}
	dir := filepath.Join(t.TempDir(), "sms")
	var out strings.Builder
	source, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	c := console{args: []string{"plugins", "new", dir, "--otn", source}, stdout: &out, stderr: &out}
	if code := run(c); code != exitDone || !strings.Contains(out.String(), "otn plugins test ./sms") {
		t.Fatalf("exit %d: %s", code, out.String())
	}
	if code := run(c); code != exitRefused {
		t.Errorf("over what is there: exit %d", code)
	}
	sums, err := os.ReadFile("../../go.sum")
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "go.sum"), sums, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	test := exec.Command("go", "test", ".")
	test.Dir, test.Env = dir, append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off")
	if out, err := test.CombinedOutput(); err != nil {
		t.Errorf("%s %v", out, err)
	}
	for _, name := range []string{"Sms", "../x y", "1"} {
		if code := run(console{args: []string{"plugins", "new", filepath.Join(t.TempDir(), name)}, stdout: &out, stderr: &out}); code != exitUsage {
			t.Errorf("%q: exit %d", name, code)
		}
	}
}
