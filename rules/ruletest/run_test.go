// Test files are run as a merchant writes them.

package ruletest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/onetimenotify/otn/rules"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// reader finds rule files in a folder.
func reader(dir string) Reader {
	return func(pattern string) ([]rules.File, error) {
		names, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil || len(names) == 0 {
			return nil, fmt.Errorf("%s finds no file", pattern)
		}
		var files []rules.File
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				return nil, err
			}
			files = append(files, rules.File{Name: filepath.Base(name), Source: text})
		}
		return files, nil
	}
}

// load loads a test file that is in order.
func load(t testing.TB, name, text string) *Suite {
	t.Helper()
	suite, found := Load(rules.File{Name: name, Source: []byte(text)}, reader("testdata"))
	if suite == nil {
		t.Fatal(rules.Errors(found).Error())
	}
	return suite
}

func loadFile(t testing.TB, name string) *Suite {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return load(t, name, string(text))
}

// Every test file of testdata passes.
func TestFilesPass(t *testing.T) {
	names, err := filepath.Glob("testdata/*.test.yaml")
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			report, err := loadFile(t, filepath.Base(name)).Run(t.Context(), Options{})
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range report.Results {
				if !r.Passed {
					t.Errorf("%s\n%s", r.Name, told(r))
				}
			}
		})
	}
}

// What a test is given lies over what its file is given: facts by name, consents by person, topic and subject.
func TestGivenIsMerged(t *testing.T) {
	file := given{
		subjects: []*subject{{kind: "item", id: "A", names: []string{"price", "stock"}, facts: map[string]string{"price": "1", "stock": "2"}}},
		consents: []consent{{sub: "ann", key: consentKey{topic: "drop", subject: "A"}}, {sub: "bob", key: consentKey{topic: "drop", subject: "A"}}},
	}
	own := given{
		subjects: []*subject{{kind: "item", id: "A", names: []string{"stock", "url"}, facts: map[string]string{"stock": "0", "url": "u"}}, {kind: "item", id: "B"}},
		consents: []consent{{line: 7, sub: "ann", key: consentKey{topic: "drop", subject: "A"}}},
	}
	g := file.merge(own)
	if len(g.subjects) != 2 || fmt.Sprint(g.subjects[0].names, g.subjects[0].facts) != "[price stock url] map[price:1 stock:0 url:u]" {
		t.Errorf("subjects %+v", g.subjects[0])
	}
	if len(g.consents) != 2 || g.consents[0].sub != "bob" || g.consents[1].line != 7 {
		t.Errorf("consents %+v", g.consents)
	}
	if file.subjects[0].facts["stock"] != "2" {
		t.Error("the file's own facts were changed")
	}
}

func told(r Result) string {
	var b strings.Builder
	for _, f := range r.Failures {
		b.WriteString(f.Text("  "))
	}
	return b.String()
}
