// The reference says what is so: every name has its words, every function its example, and each example gives what it says.

package rules

import (
	"maps"
	"slices"
	"testing"
)

func TestTheReferenceIsInStep(t *testing.T) { inStep(t, "REFERENCE.md", []byte(Reference())) }

// Every function has an example, and no example is of another.
func TestTheReferenceHasEveryFunction(t *testing.T) {
	var have []string
	for _, s := range samples() {
		have = append(have, s.name)
	}
	want := slices.Sorted(maps.Keys(functionNames()))
	if slices.Sort(have); !slices.Equal(have, want) {
		t.Errorf("examples of %v, want %v", have, want)
	}
}

func TestTheExamplesGiveWhatTheySay(t *testing.T) {
	set := mustCompile(t, "version: 1\ntimezone: America/New_York\ntopics: {w: {use: price_drop, subject: item, ask: Watch}}\n")
	for _, s := range append(samples(), operatorSamples()...) {
		got, err := set.Eval(s.example, "", factsOf(t, shopFacts, "item.availability=in_stock"))
		if err != nil || got.Value != s.gives {
			t.Errorf("%s: %+v, %v, want %s", s.example, got, err, s.gives)
		}
	}
}

// Every name that an expression can see has its words, and no words are of a name that is not there.
func TestEveryNameHasItsWords(t *testing.T) {
	words, said := nameWords(), map[string]bool{}
	for _, table := range nameTables() {
		for name := range table.by {
			if full := table.name + "." + name; words[full] == "" {
				t.Errorf("%s has no words", full)
			} else {
				said[full] = true
			}
		}
	}
	for _, name := range []string{"at", "params", "trigger", "el"} {
		said[name] = true
	}
	for name := range words {
		if !said[name] {
			t.Errorf("%s has words, and is no name", name)
		}
	}
}

// Every key says what it takes.
func TestEveryKeySaysWhatItTakes(t *testing.T) {
	for _, shape := range shapesInOrder() {
		for _, k := range fileKeys[shape] {
			if k.takesWords() == "" {
				t.Errorf("%s.%s takes nothing", shape, k.name)
			}
		}
	}
	if got, want := len(shapesInOrder()), len(fileKeys); got != want {
		t.Errorf("%d shapes are reached, there are %d", got, want)
	}
}
