// A facts file: what an expression, an explanation or a preview is made from, when no daemon is asked.

package rules

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// Given is what a facts file tells. Answers, trigger fields and attrs are texts until the rules give them their types.
type Given struct {
	At      time.Time
	Now     otn.Snapshot
	Was     otn.Snapshot // as Now, but for what the file says of before
	First   bool
	Last    otn.Last // of the last decision; zero: there was none
	Trigger []otn.Named
	Consent otn.Consent
	Ref     *otn.Ref // of an ask on a referral
	Rest    string

	now, was, last map[string]json.RawMessage // the subject, as an observation
	kind           otn.Kind
	top            []otn.Item
	low            otn.Money
}

// ReadGiven reads a facts file, and then settings of the form "item.price=99.00 USD", each of which stands over what came
// before it. A file without a name is left out; at is the moment where nothing says another.
// Errors: Errors, with the place of each fault.
func ReadGiven(f File, at time.Time, settings ...string) (*Given, error) {
	g := &Given{At: at, now: map[string]json.RawMessage{}, was: map[string]json.RawMessage{}, last: map[string]json.RawMessage{}}
	g.Consent.GrantedAt = at
	var faults []*Error
	if f.Name != "" {
		r := reader{source: newSource(f), g: g}
		if root := r.parse(); root != nil {
			r.file(root)
		}
		faults = append(faults, r.faults...)
	}
	for _, text := range settings {
		r := reader{source: newSource(File{Name: "--set", Source: []byte(text)}), g: g}
		if root := r.setting(text); root != nil {
			r.file(root)
		}
		faults = append(faults, r.faults...)
	}
	if bad := only(faults, Fault); len(bad) > 0 {
		return nil, Errors(bad)
	}
	return g, g.settle()
}

// reader reads one source into what is given.
type reader struct {
	*source
	g *Given
}

func (r reader) decoder() *decoder {
	return &decoder{source: r.source, into: &declared{places: map[string]string{}, suspect: map[string]bool{}}}
}

// mapping checks that n is a mapping, with these keys alone where there are any, each once.
func (r reader) mapping(n *node, what string, names ...string) bool {
	if !r.decoder().is(n, mapNode, what) {
		return false
	}
	seen := map[string]bool{}
	for _, p := range n.pairs {
		switch {
		case seen[p.key.text]:
			r.fault(p.key.at, codeTwice, fmt.Sprintf("%q stands twice in %s", p.key.text, what), "keep one of them")
		case len(names) > 0 && !slices.Contains(names, p.key.text):
			r.fault(p.key.at, codeKey, fmt.Sprintf("%s has no key %q", what, p.key.text), r.nearKey(what, p.key.text, names))
		}
		seen[p.key.text] = true
	}
	return true
}

// nearKey is the hint for a key that is not there. Rules say sub.target of an answer, and facts sub.answers.target.
func (r reader) nearKey(what, key string, names []string) string {
	if what == "sub" && nearest(key, names) == "" {
		return "an answer is given below answers: sub.answers." + key
	}
	return didYouMean(key, names)
}

// setting makes the tree that a path and its value stand for.
func (r reader) setting(text string) *node {
	path, v, ok := strings.Cut(text, "=")
	at := place{1, len([]rune(path)) + 2, max(len([]rune(v)), 1)}
	if !ok || strings.TrimSpace(path) == "" {
		r.fault(place{1, 1, len([]rune(text))}, codeShape, fmt.Sprintf("%q sets nothing", text), "write NAME=VALUE, as in item.price=99.00 USD")
		return nil
	}
	names := strings.Split(strings.TrimSpace(path), ".")
	n := &node{kind: scalarNode, at: at, text: v}
	if leaf := names[len(names)-1]; leaf == "tags" || leaf == "collections" || leaf == "items" {
		n = &node{kind: listNode, at: at}
		for _, e := range strings.Split(v, ",") {
			n.items = append(n.items, &node{kind: scalarNode, at: at, text: strings.TrimSpace(e)})
		}
	}
	for _, name := range slices.Backward(names) {
		n = &node{kind: mapNode, at: place{1, 1, 1}, pairs: []pair{{&node{kind: scalarNode, at: place{1, 1, len([]rune(path))}, text: name}, n}}}
	}
	return n
}

// file reads all of a facts file.
func (r reader) file(root *node) {
	d := r.decoder()
	if !r.mapping(root, "a facts file", "at", "item", "collection", "was", "first_seen", "last", "sub", "trigger", "ref") {
		return
	}
	for _, p := range root.pairs {
		switch p.key.text {
		case "at":
			r.moment(p.value, "at", &r.g.At)
		case "first_seen":
			r.g.First = d.choice(p.value, "first_seen", "true", "false") == "true"
		case "item":
			r.subject(p.value, otn.ItemKind, r.g.now)
		case "collection":
			r.subject(p.value, otn.CollectionKind, r.g.now)
		case "was":
			r.subject(p.value, "", r.g.was)
		case "last":
			r.subject(p.value, "", r.g.last)
		case "sub":
			r.sub(p.value)
		case "ref":
			r.ref(p.value)
		case "trigger":
			r.g.Trigger = r.named(p.value, "trigger", r.g.Trigger)
		}
	}
}

// moment reads a time.
func (r reader) moment(n *node, what string, to *time.Time) {
	if v := r.decoder().typedValue(n, otn.Time, what); v.Type() == otn.Time {
		*to = v.Time()
	}
}

// subject reads the facts of an item or a collection into those that are told already.
func (r reader) subject(n *node, kind otn.Kind, into map[string]json.RawMessage) {
	if !r.mapping(n, "a subject") {
		return
	}
	if kind != "" {
		if r.g.kind != "" && r.g.kind != kind {
			r.fault(n.at, codeShape, "the facts are about an item and about a collection", "keep one of them")
			return
		}
		r.g.kind = kind
	}
	for _, p := range n.pairs {
		switch {
		case p.key.text == "top" && kind == otn.CollectionKind:
			r.tops(p.value)
		case p.key.text == "at" && kind == "":
			r.moment(p.value, "at", &r.g.Last.At)
		default:
			r.fact(p, into)
		}
	}
}

// tops reads the first items of a collection.
func (r reader) tops(n *node) {
	if !r.decoder().is(n, listNode, "top") {
		return
	}
	for i, e := range n.items {
		told := map[string]json.RawMessage{}
		inner := reader{r.source, &Given{kind: otn.ItemKind}}
		inner.subject(e, otn.ItemKind, told)
		if o, err := observed(told, otn.ItemKind, fmt.Sprintf("top-%d", i+1)); err == nil {
			r.g.top = append(r.g.top, *o.Item)
		}
	}
}

// fact reads one fact: as it is written first, as a text where that is wanted.
func (r reader) fact(p pair, into map[string]json.RawMessage) {
	kind := r.g.kind
	if kind == "" {
		kind = otn.ItemKind
	}
	var err error
	for _, text := range jsonOf(p.value) {
		if _, err = observed(map[string]json.RawMessage{p.key.text: text}, kind, "x"); err == nil {
			into[p.key.text] = merged(into[p.key.text], text)
			return
		}
	}
	if err == nil {
		r.fault(p.value.at, codeShape, fmt.Sprintf("%s cannot be read", p.key.text), "")
		return
	}
	words := strings.TrimSuffix(strings.TrimPrefix(err.Error(), "observation: "), ": "+otn.ErrInvalid.Error())
	at := p.value.at
	if strings.Contains(words, "unknown field") {
		at = p.key.at
	}
	r.fault(at, codeDefault, words, "")
}

// merged puts the values of one mapping over those of another; anything else replaces.
func merged(have, told json.RawMessage) json.RawMessage {
	var a, b map[string]json.RawMessage
	if json.Unmarshal(have, &a) != nil || json.Unmarshal(told, &b) != nil || a == nil || b == nil {
		return told
	}
	maps.Copy(a, b)
	text, _ := json.Marshal(a) // raw JSON by name: it cannot fail
	return text
}

// jsonOf are the JSON values that a node may stand for, the likeliest first.
func jsonOf(n *node) []json.RawMessage {
	text := func(v any) json.RawMessage {
		b, _ := json.Marshal(v) // texts and lists of them: it cannot fail
		return b
	}
	switch n.kind {
	case nullNode:
		return []json.RawMessage{json.RawMessage("null")}
	case listNode:
		list := []string{}
		for _, e := range n.items {
			list = append(list, e.text)
		}
		return []json.RawMessage{text(list)}
	case mapNode:
		m := map[string]json.RawMessage{}
		for _, p := range n.pairs {
			m[p.key.text] = jsonOf(p.value)[0]
		}
		return []json.RawMessage{text(m)}
	}
	quoted := text(n.text)
	_, notInt := strconv.ParseInt(n.text, 10, 64)
	if n.style == plain && (n.text == "true" || n.text == "false" || n.text == "null" || notInt == nil) {
		return []json.RawMessage{json.RawMessage(strings.TrimPrefix(n.text, "+")), quoted}
	}
	return []json.RawMessage{quoted}
}

// observed makes an observation of what is told.
func observed(told map[string]json.RawMessage, kind otn.Kind, id string) (otn.Observation, error) {
	all := maps.Clone(told)
	all["kind"], _ = json.Marshal(kind)
	if all["id"] == nil {
		all["id"], _ = json.Marshal(id)
	}
	text, err := json.Marshal(all)
	if err != nil {
		return otn.Observation{}, err
	}
	return otn.DecodeObservation(text)
}

// sub reads the consent and its person.
func (r reader) sub(n *node) {
	d := r.decoder()
	if !r.mapping(n, "sub", "id", "channel", "tz", "locale", "price_then", "low_since", "granted_at", "expires_at", "answers", "tags", "consents") {
		return
	}
	c := &r.g.Consent
	for _, p := range n.pairs {
		switch p.key.text {
		case "id":
			c.Subscriber.ID, _ = d.word(p.value, "id")
		case "channel":
			c.Channel, _ = d.word(p.value, "channel")
		case "tz":
			c.TZ, _ = d.word(p.value, "tz")
			if _, ok := (zones{}).find(c.TZ); !ok {
				d.fault(p.value.at, codeZone, fmt.Sprintf("there is no time zone %q", c.TZ), "for example America/New_York")
			}
		case "locale":
			c.Locale, _ = d.word(p.value, "locale")
		case "price_then":
			c.PriceThen = d.typedValue(p.value, otn.MoneyType, "price_then").Money()
		case "low_since":
			r.g.low = d.typedValue(p.value, otn.MoneyType, "low_since").Money()
		case "granted_at":
			r.moment(p.value, "granted_at", &c.GrantedAt)
		case "expires_at":
			r.moment(p.value, "expires_at", &c.ExpiresAt)
		case "answers":
			c.Answers = r.named(p.value, "answers", c.Answers)
		case "consents":
			c.Waiting = d.typedValue(p.value, otn.Int, "consents").Int()
		case "tags":
			if d.is(p.value, listNode, "tags") {
				c.Tags = nil
				for _, e := range p.value.items {
					c.Tags = append(c.Tags, e.text)
				}
			}
		}
	}
}

// ref reads what the link of a referral says.
func (r reader) ref(n *node) {
	if !r.mapping(n, "ref", "topic", "subject", "rest") {
		return
	}
	if r.g.Ref == nil {
		r.g.Ref = &otn.Ref{}
	}
	for _, p := range n.pairs {
		w, _ := r.decoder().word(p.value, p.key.text)
		switch p.key.text {
		case "topic":
			r.g.Ref.Topic = w
		case "subject":
			r.g.Ref.Subject = w
		case "rest":
			r.g.Rest = w
		}
	}
}

// named reads values by name as texts, over those that are there.
func (r reader) named(n *node, what string, have []otn.Named) []otn.Named {
	d := r.decoder()
	if !r.mapping(n, what) {
		return have
	}
	for _, p := range n.pairs {
		w, ok := d.word(p.value, p.key.text)
		if !ok {
			continue
		}
		have = slices.DeleteFunc(have, func(a otn.Named) bool { return a.Name == p.key.text })
		have = append(have, otn.Named{Name: p.key.text, Value: otn.StringValue(w)})
	}
	slices.SortFunc(have, func(a, b otn.Named) int { return strings.Compare(a.Name, b.Name) })
	return have
}

// settle makes the snapshots of what is told.
func (g *Given) settle() error {
	if g.kind == "" && len(g.now)+len(g.was)+len(g.last) > 0 {
		g.kind = otn.ItemKind
	}
	if g.kind == "" {
		return nil
	}
	before, last := maps.Clone(g.now), maps.Clone(g.now)
	maps.Copy(before, g.was)
	maps.Copy(last, g.last)
	for told, to := range map[*map[string]json.RawMessage]*otn.Snapshot{&g.now: &g.Now, &before: &g.Was, &last: &g.Last.Now} {
		o, err := observed(*told, g.kind, "SUBJECT")
		if err != nil {
			return fmt.Errorf("rules: facts: %w", err)
		}
		*to = g.snapshot(o)
	}
	if len(g.last) == 0 && g.Last.At.IsZero() {
		g.Last = otn.Last{}
	}
	return nil
}

func (g *Given) snapshot(o otn.Observation) otn.Snapshot {
	s := otn.Snapshot{At: g.At, Item: o.Item, Collection: o.Collection}
	if o.Collection != nil {
		o.Collection.Top = g.top
	}
	if o.Item != nil && !g.low.IsZero() {
		o.Item.Lows = []otn.Low{{At: g.At, Price: g.low}}
	}
	return s
}
