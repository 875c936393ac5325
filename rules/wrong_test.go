// Wrong files and what is said of them: the caret under the right rune, in every style of YAML.

package rules

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files of testdata/wrong")

func TestWrongFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/wrong/*.yaml")
	if err != nil || len(files) < 30 {
		t.Fatalf("%d wrong files, %v", len(files), err)
	}
	known := Codes()
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			found := Check(File{Name: filepath.Base(name), Source: text})
			if len(found) == 0 {
				t.Fatal("nothing was found wrong")
			}
			for _, e := range found {
				if known[e.Code].Meaning == "" {
					t.Errorf("code %s has no meaning", e.Code)
				}
				if e.Code == codeInternal {
					t.Errorf("internal: %v", e)
				}
			}
			got := Errors(found).Error() + "\n"
			golden := strings.TrimSuffix(name, ".yaml") + ".out"
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
}
