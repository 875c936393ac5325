// Whatever stands in a test file, reading it ends, and says where it is wrong.

package ruletest

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/onetimenotify/otn/rules"
)

func FuzzLoad(f *testing.F) {
	for _, pattern := range []string{"testdata/*.test.yaml", "testdata/wrong/*.test.yaml"} {
		names, err := filepath.Glob(pattern)
		if err != nil || len(names) == 0 {
			f.Fatal(pattern, err)
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(string(text))
		}
	}
	shop, err := os.ReadFile("testdata/shop.rules.yaml")
	if err != nil {
		f.Fatal(err)
	}
	read := func(pattern string) ([]rules.File, error) {
		if strings.Contains(pattern, "shop") {
			return []rules.File{{Name: "shop.rules.yaml", Source: shop}}, nil
		}
		return nil, errors.New("finds no file")
	}
	known := map[string]bool{}
	for code := range Codes() {
		known[code] = true
	}
	f.Fuzz(func(t *testing.T, text string) {
		suite, found := Load(rules.File{Name: "fuzz.test.yaml", Source: []byte(text)}, read)
		if suite == nil && len(found) == 0 {
			t.Fatal("nothing is wrong, and nothing was read")
		}
		lines := strings.Count(text, "\n") + 1
		for _, e := range found {
			if e.Line < 0 || e.Line > lines || e.Message == "" || strings.HasPrefix(e.Code, "T") && !known[e.Code] || e.Code == "R901" {
				t.Errorf("%+v", e)
			}
		}
		if suite == nil {
			return
		}
		for _, one := range suite.tests {
			if one.name == "" || len(one.steps) == 0 {
				t.Errorf("%q has %d steps", one.name, len(one.steps))
			}
			for _, s := range one.steps {
				if s.do == nil {
					t.Errorf("%q: step %s in line %d does nothing", one.name, s.what, s.line)
				}
			}
		}
	})
}
