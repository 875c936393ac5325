// The schema for editors: it takes every right file, and refuses every file whose shape is wrong.

package rules

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

func compiledSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("rules.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("rules.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// shapeCodes are the faults that a schema can see.
func shapeCodes() []string {
	return []string{codeKey, codeShape, codeVersion, codeType, codeChoice, codeForm}
}

func TestSchemaAgainstTheCorpus(t *testing.T) {
	schema := compiledSchema(t)
	right, wrong := 0, 0
	files := corpus(t)
	for code, c := range Codes() {
		files["right example of "+code] = Example(c.Right).Source
	}
	for name, source := range files {
		var doc any
		if yaml.Unmarshal(source, &doc) != nil {
			continue
		}
		refused := schema.Validate(doc)
		var faults []*Error
		for _, e := range Check(File{Name: "x.yaml", Source: source}) {
			if e.Severity == Fault {
				faults = append(faults, e)
			}
		}
		shape := slices.ContainsFunc(faults, func(e *Error) bool {
			return slices.Contains(shapeCodes(), e.Code) && !strings.HasPrefix(e.Message, "a rule cannot be on") && !strings.HasPrefix(e.Message, "an ask cannot be on") && !strings.HasPrefix(e.Message, "this is never") ||
				e.Code == codeMissing && strings.Contains(e.Message, " has no \"")
		})
		switch {
		case len(faults) == 0:
			right++
			if refused != nil {
				t.Errorf("%s is right, and refused: %v", name, refused)
			}
		case shape:
			wrong++
			if refused == nil {
				t.Errorf("%s has a wrong shape, and is taken: %v", name, Errors(faults))
			}
		}
	}
	if right < 60 || wrong < 15 {
		t.Errorf("%d right files, %d of a wrong shape", right, wrong)
	}
}

// Every key says what it is for, and every shape that a key names is there.
func TestTheKeysAreDescribed(t *testing.T) {
	for shape, keys := range fileKeys {
		for _, k := range keys {
			if k.says == "" {
				t.Errorf("%s.%s says nothing", shape, k.name)
			}
			if _, ok := fileKeys[k.shape]; k.shape != "" && !ok {
				t.Errorf("%s.%s is of a shape %q", shape, k.name, k.shape)
			}
		}
	}
}

// The schema beside the example shop is the one that this program makes.
func TestTheExampleSchemaIsInStep(t *testing.T) {
	inStep(t, "../examples/shop/rules/rules.schema.json", Schema())
}

// inStep compares a file that is made from the code with what the code makes.
func inStep(t *testing.T, name string, want []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what the code makes: go test ./rules -run InStep -update", name)
	}
}
