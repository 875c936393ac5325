// Wrong test files and what is said of them.

package ruletest

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/onetimenotify/otn/rules"
)

var update = flag.Bool("update", false, "rewrite the golden files of testdata/wrong")

func TestWrongFiles(t *testing.T) {
	names, err := filepath.Glob("testdata/wrong/*.test.yaml")
	if err != nil || len(names) < 25 {
		t.Fatal(names, err)
	}
	used := map[string]bool{}
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			suite, found := Load(rules.File{Name: filepath.Base(name), Source: text}, reader("testdata/wrong"))
			if suite != nil || len(found) == 0 {
				t.Fatal("nothing was found wrong")
			}
			for _, e := range found {
				used[e.Code] = true
			}
			got := rules.Errors(found).Error() + "\n"
			golden := strings.TrimSuffix(name, ".test.yaml") + ".out"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
	for code := range Codes() {
		if !used[code] {
			t.Errorf("no wrong file shows %s", code)
		}
	}
}
