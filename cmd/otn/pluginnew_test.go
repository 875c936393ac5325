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
	var out strings.Builder
	source, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	sums, err := os.ReadFile("../../go.sum")
	if err != nil {
		t.Fatal(err)
	}
	for name, next := range map[string]string{"sms": "otn plugins test ./sms", "shelf": "go test . && go build"} {
		dir := filepath.Join(t.TempDir(), name)
		c := console{args: []string{"plugins", "new", dir, "--otn", source}, stdout: &out, stderr: &out}
		if name == "shelf" {
			c.args = append(c.args, "--source")
		}
		if code := run(c); code != exitDone || !strings.Contains(out.String(), next) {
			t.Fatalf("exit %d: %s", code, out.String())
		}
		if code := run(c); code != exitRefused {
			t.Errorf("over what is there: exit %d", code)
		}
		if err := os.WriteFile(filepath.Join(dir, "go.sum"), sums, 0o600); err != nil {
			t.Fatal(err)
		}
		test := exec.Command("go", "test", ".")
		test.Dir, test.Env = dir, append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off")
		if out, err := test.CombinedOutput(); err != nil {
			t.Errorf("%s: %s %v", name, out, err)
		}
	}
	// The one in Node.js, without its libraries: its program is there, can be executed and has its name.
	dir := filepath.Join(t.TempDir(), "push")
	if code := run(console{args: []string{"plugins", "new", dir, "--lang", "node"}, stdout: &out, stderr: &out}); code != exitDone {
		t.Fatalf("exit %d: %s", code, out.String())
	}
	program, err := os.ReadFile(filepath.Join(dir, "push.js"))
	if err != nil || !strings.Contains(string(program), "name: 'push'") {
		t.Errorf("the program: %s %v", program, err)
	}
	if st, err := os.Stat(filepath.Join(dir, "push.js")); err != nil || st.Mode()&0o111 == 0 {
		t.Errorf("the program cannot be executed: %v", err)
	}
	for _, name := range []string{"otn.js", "otn.proto", "package.json", "package-lock.json"} {
		if text, err := os.ReadFile(filepath.Join(dir, name)); err != nil || strings.Contains(string(text), "letterbox") {
			t.Errorf("%s: %v, or it still speaks of the example", name, err)
		}
	}
	for _, name := range []string{"Sms", "../x y", "1"} {
		if code := run(console{args: []string{"plugins", "new", filepath.Join(t.TempDir(), name)}, stdout: &out, stderr: &out}); code != exitUsage {
			t.Errorf("%q: exit %d", name, code)
		}
	}
}
