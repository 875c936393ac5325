// Reading the steps of a test: what happens, in order.

package ruletest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/rules"
)

// stepNames are the steps that exist.
func stepNames() []string {
	return []string{"observe", "trigger", "grant", "withdraw", "window", "referral", "tags", "after", "at", "timeline", "restart", "reload", "approve", "expect"}
}

// step reads one step, and reports whether it expects something.
func (p *parser) step(n rules.Node) (expects bool) {
	word, value := n.Text(), rules.Node{}
	if n.IsList() {
		n.Fault(codeStep, "a step is a word or a mapping, and here is a list", "for example "+examples()["after"])
		return false
	}
	if n.IsMapping() {
		if pairs := n.Pairs(); len(pairs) == 1 {
			word, value = pairs[0].Key.Text(), pairs[0].Value
			n = pairs[0].Key
		} else {
			n.Fault(codeStep, fmt.Sprintf("a step is one thing, and here are %d", len(pairs)), "each begins with its own -")
			return true // nobody knows whether it expects something
		}
	}
	do := map[string]func(rules.Node) func(context.Context, *world) error{
		"observe": p.observe, "trigger": p.trigger, "grant": p.grant, "withdraw": p.withdraw, "after": p.after, "at": p.at,
		"timeline": p.timeline, "reload": p.reload, "expect": p.expect,
		"window": p.window, "referral": p.referral, "tags": p.tags,
		"restart": func(rules.Node) func(context.Context, *world) error {
			return func(ctx context.Context, w *world) error { return w.restart(ctx) }
		},
		"approve": p.approve,
	}[word]
	switch {
	case do == nil:
		n.Fault(codeStep, fmt.Sprintf("there is no step %q", word), rules.DidYouMean(word, stepNames()))
		return true
	case !value.There() && word != "restart" && word != "approve":
		n.Fault(codeStep, fmt.Sprintf("%s says nothing more", word), "say what, as in "+examples()[word])
		return word == "expect"
	case value.There() && word == "restart":
		value.Fault(codeStep, "restart stands alone", "write - restart")
	}
	if f := do(value); f != nil {
		p.test.steps = append(p.test.steps, step{line: n.Line(), what: word, do: f})
	}
	return word == "expect"
}

// examples shows each step that takes a value.
func examples() map[string]string {
	return map[string]string{
		"observe": "observe: {SKU-1: {price: 99.00 USD}}", "trigger": "trigger: {name: new_post, fields: {title: Winter}}",
		"grant": "grant: {sub: ann, topic: price-drop, subject: SKU-1}", "withdraw": "withdraw: ann",
		"window": "window: ann", "referral": "referral: {sub: ann, topic: price-drop, subject: SKU-1}", "tags": "tags: {ann: [vip]}", "after": "after: 10m",
		"at": "at: 2026-11-27T21:00:00-05:00", "timeline": `timeline: {SKU-1.stock: "0 3 0", every: 1m}`,
		"reload": "reload: [other.rules.yaml]", "expect": "expect: {sends: []}",
	}
}

func (p *parser) observe(n rules.Node) func(context.Context, *world) error {
	list := p.subjects(n, otn.ItemKind)
	return func(ctx context.Context, w *world) error { return w.observe(ctx, list...) }
}

func (p *parser) trigger(n rules.Node) func(context.Context, *world) error {
	if !n.Mapping("trigger", []string{"name"}, []string{"fields", "subject", "sub", "channel", "key"}) {
		return nil
	}
	t := otn.Trigger{Name: n.Get("name").Text(), Subject: n.Get("subject").Text(), Key: n.Get("key").Text()}
	if fields := n.Get("fields"); fields.There() && fields.Mapping("fields", nil, nil) {
		for _, f := range fields.Pairs() {
			text, _ := f.Value.Word("field " + f.Key.Text())
			t.Fields = append(t.Fields, otn.Named{Name: f.Key.Text(), Value: otn.StringValue(text)})
		}
	}
	if sub := n.Get("sub"); sub.There() {
		t.Channel, t.Subscriber.ID = mainChannel, p.person(sub)
		if ch := n.Get("channel"); ch.There() {
			t.Channel, _ = ch.Word("channel")
			p.test.channels[t.Channel] = true
		}
	}
	p.declared(n, t)
	return func(ctx context.Context, w *world) error {
		_, err := w.host.Trigger(ctx, t)
		return err
	}
}

// declared checks a trigger against the rules, of which those that are loaded at that step count.
func (p *parser) declared(n rules.Node, t otn.Trigger) {
	if len(p.sets) == 0 || t.Name == "" {
		return
	}
	var err error
	for _, set := range slices.Backward(p.sets) {
		if _, err = set.Trigger(t); err == nil {
			return
		}
	}
	words := strings.TrimPrefix(err.Error(), "rules: ")
	for _, kind := range []error{otn.ErrInvalid, otn.ErrNotFound} {
		words = strings.TrimSuffix(words, ": "+kind.Error())
	}
	hint := ""
	if errors.Is(err, otn.ErrNotFound) {
		var names []string
		for _, set := range p.sets {
			names = append(names, set.Triggers()...)
		}
		hint = rules.DidYouMean(t.Name, names)
	}
	n.Get("name").Fault(codeAnswer, words, hint)
}

func (p *parser) grant(n rules.Node) func(context.Context, *world) error {
	list := p.consents(n)
	for i := range list {
		p.knows(&list[i])
	}
	return func(ctx context.Context, w *world) error { return w.grant(ctx, list...) }
}

// withdraw reads "ann", or "ann/price-drop": whose wish it is to hear no more, and of which topic.
func (p *parser) withdraw(n rules.Node) func(context.Context, *world) error {
	var keys []consentKey
	for _, e := range oneOrMore(n) {
		w, ok := e.Word("withdraw")
		if !ok {
			continue
		}
		sub, topic, _ := strings.Cut(w, "/")
		keys = append(keys, consentKey{sub: sub, topic: topic})
		p.later = append(p.later, func() {
			if !p.persons[sub] {
				e.Fault(codeNoPerson, fmt.Sprintf("nobody is called %q in this test", sub), p.whoElse(sub))
			}
		})
	}
	return func(ctx context.Context, w *world) error { return w.withdraw(ctx, keys) }
}

func (p *parser) after(n rules.Node) func(context.Context, *world) error {
	d, _ := n.Duration("after")
	return func(ctx context.Context, w *world) error { return w.advance(ctx, w.clock.Now().Add(d)) }
}

func (p *parser) at(n rules.Node) func(context.Context, *world) error {
	at := p.moment(n, "at", p.test.clock.Location())
	return func(ctx context.Context, w *world) error {
		if at.Before(w.clock.Now()) {
			return fmt.Errorf("%s has passed: it is %s", w.show(at), w.show(w.clock.Now()))
		}
		return w.advance(ctx, at)
	}
}

// timeline reads facts that change in turn: {SKU-1.stock: "0 3 0", every: 1m}.
func (p *parser) timeline(n rules.Node) func(context.Context, *world) error {
	if !n.Mapping("timeline", nil, nil) {
		return nil
	}
	every := n.Get("every")
	if !every.There() {
		n.Fault(codeStep, `the timeline has no "every"`, "for example "+examples()["timeline"])
	}
	gap, _ := every.Duration("every")
	var columns [][]*subject
	for _, pair := range n.Pairs() {
		if pair.Key.Text() != "every" {
			columns = append(columns, p.column(pair.Key, pair.Value))
		}
	}
	if len(columns) == 0 {
		n.Fault(codeStep, "the timeline changes nothing", "for example "+examples()["timeline"])
	}
	return func(ctx context.Context, w *world) error { return w.timeline(ctx, columns, gap) }
}

// column reads the values of one fact: a list, or a text with blanks between them, or commas where one of them holds blanks.
func (p *parser) column(key, n rules.Node) (list []*subject) {
	id, fact, ok := cutFact(key.Text())
	if !ok {
		key.Fault(codeStep, fmt.Sprintf("%q names no fact of a subject", key.Text()), "write SKU-1.stock, say")
		return nil
	}
	kind := otn.ItemKind
	if have := p.about[id]; have != "" {
		kind = have
	}
	p.about[id] = kind
	values := []rules.Node{n}
	texts := strings.Fields(n.Text())
	if strings.Contains(n.Text(), ",") {
		texts = strings.Split(n.Text(), ",")
	}
	if n.IsList() {
		values, texts = n.Items(), nil
		for _, v := range values {
			texts = append(texts, v.Text())
		}
	}
	for i, text := range texts {
		s := &subject{kind: kind, id: id, facts: map[string]string{}}
		p.cell(s, fact, key, values[min(i, len(values)-1)], strings.TrimSpace(text))
		list = append(list, s)
	}
	if len(list) == 0 {
		key.Fault(codeStep, "the timeline has no values", "for example "+examples()["timeline"])
	}
	return list
}

// cell adds one value of a timeline.
func (p *parser) cell(s *subject, fact string, key, n rules.Node, text string) {
	value := text
	if !(slices.Contains([]string{"stock", "sellable", "published", "gone"}, fact) && isJSON(text)) {
		value = quote(text)
	}
	s.names, s.facts[fact] = []string{fact}, value
	if _, err := s.observation(); err != nil {
		p.noFact(err, fact, key, n)
	}
}

// cutFact takes "SKU-1.stock" apart at its last dot.
func cutFact(s string) (id, fact string, ok bool) {
	i := strings.LastIndexByte(s, '.')
	if i < 1 || i == len(s)-1 {
		return "", "", false
	}
	return s[:i], s[i+1:], true
}

// reload reads the files of other rules.
func (p *parser) reload(n rules.Node) func(context.Context, *world) error {
	files := p.files(n, "reload")
	if len(files) == 0 {
		return nil
	}
	set, err := rules.Compile(files...)
	if err != nil {
		p.foreign = append(p.foreign, rules.Faults(err)...)
		return nil
	}
	p.sets = append(p.sets, set)
	return func(ctx context.Context, w *world) error { return w.reload(ctx, set) }
}

// approve reads which rule's paused runs are let go on; all of them without one.
func (p *parser) approve(n rules.Node) func(context.Context, *world) error {
	rule := ""
	if n.There() {
		p.rule(n)
		rule = n.Text()
	}
	return func(ctx context.Context, w *world) error { return w.approve(ctx, rule) }
}

// comes reads who does something through which channel: a name, or {sub: ann, channel: shop, …}. It makes them known.
func (p *parser) comes(n rules.Node, what string, may ...string) (sub, channel string) {
	channel = mainChannel
	at := n
	if n.IsMapping() {
		n.Mapping(what, []string{"sub"}, append(may, "channel"))
		at = n.Get("sub")
		if ch := n.Get("channel"); ch.There() {
			channel, _ = ch.Word("channel")
		}
	}
	if at.There() {
		sub, _ = at.Word("sub")
		p.persons[sub] = true
	}
	p.test.channels[channel] = true
	return sub, channel
}

// window reads whose window opens, and for how long: somebody wrote, or tapped.
func (p *parser) window(n rules.Node) func(context.Context, *world) error {
	sub, channel := p.comes(n, "window", "for")
	open := otn.WindowLength
	if d := n.Get("for"); d.There() {
		open, _ = d.Duration("for")
	}
	return func(ctx context.Context, w *world) error { return w.window(ctx, channel, sub, open, "") }
}

// referral reads who came through a link: to a topic and a subject, or with a ref as it is.
func (p *parser) referral(n rules.Node) func(context.Context, *world) error {
	if !n.IsMapping() {
		n.Mapping("referral", nil, nil)
		return nil
	}
	sub, channel := p.comes(n, "referral", "topic", "subject", "ref")
	ref := n.Get("ref").Text()
	if topic := n.Get("topic"); topic.There() {
		p.topic(topic)
		ref = otn.FormatRef(otn.Ref{Topic: topic.Text(), Subject: n.Get("subject").Text()})
	}
	if ref == "" {
		n.Fault(codeStep, "a referral says where the link led", "for example "+examples()["referral"])
	}
	return func(ctx context.Context, w *world) error { return w.window(ctx, channel, sub, otn.WindowLength, ref) }
}

// tags reads what the operator notes of people: {ann: [vip]}.
func (p *parser) tags(n rules.Node) func(context.Context, *world) error {
	if !n.Mapping("tags", nil, nil) {
		return nil
	}
	of := map[string][]string{}
	for _, pair := range n.Pairs() {
		sub := p.person(pair.Key)
		of[sub] = []string{}
		for _, tag := range oneOrMore(pair.Value) {
			text, _ := tag.Word("a tag")
			if err := core.CheckTags(text); err != nil {
				tag.Fault(codeValue, strings.TrimSuffix(plain(err), ": "+otn.ErrInvalid.Error()), "")
			}
			of[sub] = append(of[sub], text)
		}
	}
	return func(ctx context.Context, w *world) error {
		for _, sub := range keysOf(of) {
			if _, err := w.host.Tag(ctx, w.channelOf(sub), sub, core.TagChange{Set: of[sub]}); err != nil {
				return err
			}
		}
		return nil
	}
}
