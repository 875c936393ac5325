// Reading what is expected: what was sent to whom, why others got nothing, where consents and runs stand.

package ruletest

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/rules"
)

// expectation is one step expect. What is nil is not looked at.
type expectation struct {
	lines      map[string]int // of each key
	sends      []want         // all of them
	anySends   bool
	count      *int
	counts     map[string]int // by rule
	skips      []want
	consents   []state
	runs       []want // all that were made or changed, or are open
	anyRuns    bool
	asks       []want // all of them
	anyAsks    bool
	replies    []want // what was said into open windows: all of them
	anyReplies bool
	calls      *int
}

// want is something expected, as far as it is said.
type want struct {
	line   int
	fields []pair // in the order of the file
}

// pair is one field by its path: card.title.
type pair struct{ path, text string }

func (w *want) get(path string) string {
	for _, f := range w.fields {
		if f.path == path {
			return f.text
		}
	}
	return ""
}

// state is where a consent is expected to stand.
type state struct {
	line int
	key  consentKey
	text string
}

// expectKeys are what an expect can speak of.
func expectKeys() []string {
	return []string{"sends", "sends_count", "skips", "consents", "runs", "asks", "replies", "provider_calls"}
}

func (p *parser) expect(n rules.Node) func(context.Context, *world) error {
	e := &expectation{lines: map[string]int{}}
	if !n.Mapping("expect", nil, expectKeys()) {
		return nil
	}
	for _, pair := range n.Pairs() {
		e.lines[pair.Key.Text()] = pair.Key.Line()
		switch v := pair.Value; pair.Key.Text() {
		case "sends":
			e.sends, e.anySends = p.wants(v, "a send", sendFields()), true
		case "sends_count":
			e.count, e.counts = p.counts(v)
		case "skips":
			e.skips = p.skips(v)
		case "consents":
			e.consents = p.states(v)
		case "runs":
			e.runs, e.anyRuns = p.wants(v, "a run", runFields()), true
		case "replies":
			e.replies, e.anyReplies = p.wants(v, "a reply", replyFields()), true
		case "asks":
			e.asks, e.anyAsks = p.wants(v, "an ask", askFields()), true
		case "provider_calls":
			calls := number(v, "provider_calls", maxCount)
			e.calls = &calls
		}
	}
	return func(_ context.Context, w *world) error { return w.expect(e) }
}

// The fields that can be expected, by a path in which N stands for a place in a list, from 0.
func sendFields() []string {
	card := []string{"title", "subtitle", "image", "url", "buttons.N.title", "buttons.N.url"}
	list := []string{"rule", "sub", "channel", "topic", "subject", "at", "attempt", "form", "text", "image",
		"quick_reply.title", "quick_reply.payload", "template.name", "template.language", "template.params.N"}
	for _, f := range card {
		list = append(list, "card."+f, "gallery.N."+f)
	}
	return list
}

func runFields() []string {
	return []string{"rule", "state", "topic", "subject", "cause", "at", "why", "seen", "selected", "sent", "refused", "deferred", "unknown", "undecided", "failed"}
}

func replyFields() []string { return []string{"sub", "channel", "at", "text"} }

func askFields() []string { return []string{"sub", "channel", "topic", "subject", "title"} }

// wants reads a list of partial descriptions.
func (p *parser) wants(n rules.Node, what string, fields []string) (list []want) {
	if _, one, _ := strings.Cut(what, " "); !n.List(strings.Replace(one+"s", "ys", "ies", 1)) {
		return nil
	}
	for _, item := range n.Items() {
		w := want{line: item.Line()}
		if item.Mapping(what, nil, nil) {
			p.fields(&w, "", item, what, fields)
		}
		list = append(list, w)
	}
	return list
}

// fields flattens a mapping, and lists in it, into paths.
func (p *parser) fields(w *want, path string, n rules.Node, what string, known []string) {
	for _, pair := range n.Pairs() {
		p.field(w, path+pair.Key.Text(), pair.Key, pair.Value, what, known)
	}
	for i, item := range n.Items() {
		p.field(w, path+strconv.Itoa(i), item, item, what, known)
	}
}

func (p *parser) field(w *want, path string, key, value rules.Node, what string, known []string) {
	if value.IsMapping() || value.IsList() {
		p.fields(w, path+".", value, what, known)
		return
	}
	if !slices.Contains(known, places().ReplaceAllString(path, ".N")) {
		key.Fault(codeField, fmt.Sprintf("%s has no field %q", what, path), rules.DidYouMean(path, known))
		return
	}
	p.refers(path, value)
	w.fields = append(w.fields, pair{path, value.Text()})
}

func places() *regexp.Regexp { return regexp.MustCompile(`\.\d+`) }

// refers checks the names of rules, persons and subjects.
func (p *parser) refers(path string, value rules.Node) {
	if !value.There() {
		return
	}
	switch path {
	case "rule":
		p.rule(value)
	case "sub":
		p.person(value)
	case "topic":
		p.topic(value)
	case "subject":
		p.subjectID(value)
	}
}

func (p *parser) skips(n rules.Node) []want {
	list := p.wants(n, "a skip", []string{"rule", "sub", "because", "topic", "subject"})
	for i, item := range n.Items() {
		if !item.IsMapping() {
			continue
		}
		if !item.Get("sub").There() {
			item.Fault(codeField, "a skip says whose it is", "for example {rule: price-drop, sub: bob, because: when_false}")
			continue
		}
		p.test.persons[list[i].get("sub")] = true
		because := item.Get("because")
		known := slices.Sorted(maps.Keys(core.Reasons()))
		if because.There() && !slices.Contains(known, because.Text()) {
			hint := cmp.Or(rules.DidYouMean(because.Text(), known), "there is "+strings.Join(known, ", "))
			because.Fault(codeReason, fmt.Sprintf("there is no reason %q", because.Text()), hint)
		}
	}
	return list
}

// counts reads a number, or numbers by rule.
func (p *parser) counts(n rules.Node) (*int, map[string]int) {
	if !n.IsMapping() {
		all := number(n, "sends_count", maxCount)
		return &all, nil
	}
	by := map[string]int{}
	for _, pair := range n.Pairs() {
		p.rule(pair.Key)
		by[pair.Key.Text()] = number(pair.Value, "sends_count", maxCount)
	}
	return nil, by
}

// states reads where consents are expected to stand.
func (p *parser) states(n rules.Node) []state {
	if !n.Mapping("consents", nil, nil) {
		return nil
	}
	list := make([]state, len(n.Pairs()))
	for i, pair := range n.Pairs() {
		list[i].line = pair.Key.Line()
		p.consentOf(pair.Key, &list[i].key)
		list[i].text = pair.Value.Choice("a consent", "waiting", "claimed", "sent", "refused", "unknown", "expired", "withdrawn")
	}
	return list
}

// name is how a want is spoken of.
func (w *want) name() string {
	rule, sub := w.get("rule"), w.get("sub")
	switch {
	case rule != "" && sub != "":
		return rule + " to " + sub
	case rule != "":
		return rule
	case sub != "":
		return "to " + sub
	}
	parts := make([]string, len(w.fields))
	for i, f := range w.fields {
		parts[i] = f.path + " " + f.text
	}
	return strings.Join(parts, ", ")
}
