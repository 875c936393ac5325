// A Set: one immutable version of a merchant's rules, made of files and an operator's sends.

package rules

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/onetimenotify/otn/core/otn"
)

// Set is one version of the rules. It is immutable and safe for many goroutines.
type Set struct {
	version  string
	origin   origin
	topics   []otn.Topic
	asks     map[string]*ask
	asking   []*asking
	rules    []*rule
	byID     map[string]*rule
	byEvent  map[string][]*rule
	triggers []trigger
	warnings []*Error
	declared *declared
	scopes   *scopes
}

var _ otn.Rules = (*Set)(nil)

// origin is what a Set is made from, and made again from.
type origin struct {
	Files []File     `json:"files"`
	Sends []otn.Send `json:"sends,omitempty"`
}

// ask is what a topic says: the title of its request, and the text after a consent.
type ask struct {
	title, then *template
	topic       *topicDecl
}

// Compile makes a Set of files: ids are unique over all of them, a timezone holds for its file. The order of the files is the
// order of topics and rules. Errors: Errors, with every fault of every file; warnings are no error, see Warnings.
func Compile(files ...File) (*Set, error) {
	set, found := build(files)
	if bad := only(found, Fault); len(bad) > 0 {
		return nil, Errors(bad)
	}
	set.warnings = found
	return set, nil
}

// Check reports every fault of the files, up to 1,000 of each, in the order of files and lines; where there is none, every warning.
func Check(files ...File) []*Error {
	_, found := build(files)
	return found
}

// Warnings are what Check would say of the files of this Set.
func (s *Set) Warnings() []*Error { return append([]*Error(nil), s.warnings...) }

func only(found []*Error, sev Severity) (out []*Error) {
	for _, e := range found {
		if e.Severity == sev {
			out = append(out, e)
		}
	}
	return out
}

// build reads, declares and compiles. The Set is whole only when no fault was found.
func build(files []File) (*Set, []*Error) {
	set, sources, found := assemble(files)
	for _, s := range sources {
		s.spent = nil
	}
	return set, found
}

// assemble is build, with the files as they were read.
func assemble(files []File) (*Set, []*source, []*Error) {
	in := &declared{places: map[string]string{}, byTopic: map[string]*topicDecl{}, suspect: map[string]bool{}}
	sources := make([]*source, len(files))
	for i, f := range files {
		sources[i] = newSource(f)
		if root := sources[i].parse(); root != nil {
			(&decoder{sources[i], in}).file(root)
		} else {
			in.partial = true
		}
	}
	set := &Set{origin: origin{Files: clone(files)}, declared: in, triggers: in.triggers}
	set.link(in)
	set.seal()
	var found []*Error
	for _, s := range sources {
		found = append(found, s.faults...)
	}
	bad := only(found, Fault)
	if len(bad) == 0 && len(set.rules) < len(in.rules) { // a rule is never left out in silence
		bad = []*Error{sources[0].fault(place{}, codeInternal, "a rule could not be compiled, and nothing says why", "please report it with the file")}
	}
	if len(bad) > 0 { // what is never used, or always true, shows only once the rest is right
		found = bad
	}
	return set, sources, inOrder(found, files)
}

func clone(files []File) []File {
	out := make([]File, len(files))
	for i, f := range files {
		out[i] = File{f.Name, append([]byte(nil), f.Source...)}
	}
	return out
}

// link compiles what is declared.
func (s *Set) link(in *declared) {
	s.scopes = in.scopes()
	s.scopes.made, s.scopes.without = map[string]*scope{}, map[*scope]*scope{}
	defer func() { s.scopes.made, s.scopes.without = nil, nil }()
	s.asks, s.byID, s.byEvent = map[string]*ask{}, map[string]*rule{}, map[string][]*rule{}
	used := map[string]bool{}
	for _, t := range in.topics {
		s.topics = append(s.topics, t.Topic)
		if t.Subject == "" {
			continue // its declaration is at fault
		}
		a := &ask{topic: t, title: t.src.limited(t.ask, "ask", s.scopes.ask(t), otn.MaxAskTitle)}
		if t.then != nil {
			a.then = t.src.limited(t.then, "then", s.scopes.then(t), otn.MaxText)
		}
		s.asks[t.ID] = a
		for _, text := range []*template{a.title, a.then} {
			if text != nil {
				text.expressions(note(used))
				t.src.lintAsk(text)
			}
		}
	}
	for _, d := range in.asks {
		if a := in.asking(d, s.scopes, used); a != nil {
			s.asking = append(s.asking, a)
		}
	}
	for _, d := range in.rules {
		if r := in.rule(d, s.scopes, used); r != nil {
			s.add(r)
			s.lint(d, r)
		}
	}
	for _, p := range in.params {
		if !used[p.name] {
			p.src.warn(p.at, codeUnused, fmt.Sprintf("param %s is never used", p.name), "")
		}
	}
}

// note makes a visitor that notes the params which expressions name.
func note(used map[string]bool) func(*compiled) {
	return func(e *compiled) {
		for name := range e.params {
			used[name] = true
		}
	}
}

func (s *Set) add(r *rule) {
	s.rules = append(s.rules, r)
	s.byID[r.ID] = r
	for i, on := range r.On {
		if i == 0 || on != r.On[0] {
			s.byEvent[on] = append(s.byEvent[on], r)
		}
	}
}

// seal derives the version from the texts alone: the same text has the same version under any file name.
func (s *Set) seal() {
	h := sha256.New()
	part := func(b []byte) { fmt.Fprintf(h, "%d:%s", len(b), b) }
	for _, f := range s.origin.Files {
		part(f.Source)
	}
	for _, send := range s.origin.Sends {
		b, _ := json.Marshal(send) // strings only: it cannot fail
		part(b)
	}
	s.version = hex.EncodeToString(h.Sum(nil)[:12])
}

// Version is a hash of the sources: the same text has the same version everywhere.
func (s *Set) Version() string { return s.version }

// Source is what Restore makes this version from again.
func (s *Set) Source() []byte {
	b, _ := json.Marshal(s.origin) // strings and bytes only: it cannot fail
	return b
}

// Restore compiles what Source returned. Errors: ErrInvalid for anything else, Errors when this program refuses the text.
func (s *Set) Restore(source []byte) (otn.Rules, error) {
	var from origin
	if err := json.Unmarshal(source, &from); err != nil {
		return nil, fmt.Errorf("rules: restore: not what Source returned: %w", otn.ErrInvalid)
	}
	set, err := Compile(from.Files...)
	if err != nil {
		return nil, err
	}
	for _, send := range from.Sends {
		if set, err = set.with(send); err != nil {
			return nil, err
		}
	}
	return set, nil
}

// Topics lists what people can ask for, in the order of the files.
func (s *Set) Topics() []otn.Topic { return append([]otn.Topic(nil), s.topics...) }

// Topic finds a topic by its id.
func (s *Set) Topic(id string) (otn.Topic, bool) {
	if a, ok := s.asks[id]; ok {
		return a.topic.Topic, true
	}
	return otn.Topic{}, false
}

// List lists the rules, in the order of the files.
func (s *Set) List() []otn.Rule {
	out := make([]otn.Rule, len(s.rules))
	for i, r := range s.rules {
		out[i] = r.Rule
	}
	return out
}

// Ask renders the title of a topic's request. Errors: ErrUnknownTopic, ErrInvalid when it is over 65 characters or needs a fact that is not known.
func (s *Set) Ask(topic string, now otn.Snapshot) (string, error) {
	a, ok := s.asks[topic]
	if !ok {
		return "", fmt.Errorf("rules: ask for %q: %w", topic, otn.ErrUnknownTopic)
	}
	title, err := a.title.render(&frame{now: now, zones: zones{}}, newPrinter("", a.topic.zone), nil)
	if err != nil {
		return "", fmt.Errorf("rules: ask for %s: %w", topic, err)
	}
	if n := len([]rune(title)); n > otn.MaxAskTitle || n == 0 {
		return "", fmt.Errorf("rules: ask for %s: the title has %d characters, 1 to %d are allowed: %w", topic, n, otn.MaxAskTitle, otn.ErrInvalid)
	}
	return title, nil
}
