// What is in order and probably not as meant: what platforms forbid, what nobody will ever get, what people are not told.

package rules

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/expr-lang/expr/ast"

	"github.com/onetimenotify/otn/core/otn"
)

// Strict makes faults of warnings. Notes stay what they are.
func Strict(found []*Error) []*Error {
	out := make([]*Error, len(found))
	for i, e := range found {
		strict := *e
		if e.Severity == Warning {
			strict.Severity = Fault
		}
		out[i] = &strict
	}
	return out
}

// lint looks at a rule that is in order.
func (s *Set) lint(d *ruleDecl, r *rule) {
	a := s.asks[r.Topic]
	lintUse(d, r, a.topic)
	lintRecurs(d, r)
	lintMention(d, r, a)
	lintOptional(d, r, a.topic)
	src, plan := d.src, &r.Plan
	if c := d.n.get("coalesce"); c != nil && r.letter.card == nil && r.letter.gallery == nil {
		src.warn(c.at, codeGather, "coalesce gathers cards into one gallery, and this message has none: a person gets one of the texts alone", "write the message as a card")
	}
	if rel := d.n.get("release"); rel != nil && plan.Hold == 0 && r.State && mentions(r.when, "stock") {
		src.note(rel.at, codeNoHold, "without hold the first wave leaves as soon as the stock is seen, and stock may be gone again a minute later", "hold: 5m waits until it has stayed")
	}
}

// note is a remark that changes nothing.
func (s *source) note(p place, code, message, hint string) {
	s.fault(p, code, message, hint).Severity = Note
}

// paths calls visit for every name of an expression as it is written: item.price, sub.has.target.
func (c *compiled) paths(visit func(path string, at ast.Node)) {
	if c == nil {
		return
	}
	walk := pathWalker(visit)
	ast.Walk(&c.root, walk)
}

type pathWalker func(path string, at ast.Node)

// Visit calls the function for each member, from the name at its beginning on.
func (w pathWalker) Visit(n *ast.Node) {
	if m, ok := (*n).(*ast.MemberNode); ok {
		if path := pathOf(m); path != "" {
			w(path, m)
		}
	}
}

func pathOf(n ast.Node) string {
	switch n := n.(type) {
	case *ast.IdentifierNode:
		return n.Value
	case *ast.MemberNode:
		name, ok := n.Property.(*ast.StringNode)
		if of := pathOf(n.Node); ok && of != "" {
			return of + "." + name.Value
		}
	}
	return ""
}

// mentions reports whether an expression names a fact of the subject, now or before.
func mentions(c *compiled, fact string) (found bool) {
	c.paths(func(path string, _ ast.Node) {
		root, rest, _ := strings.Cut(path, ".")
		found = found || rest == fact && slices.Contains([]string{"item", "was", "collection"}, root)
	})
	return found
}

// facts of which each use speaks.
func spokenOf() map[otn.Use][]string {
	price := []string{"price", "list_price", "price_then", "low_since"}
	stock := []string{"stock", "sellable", "availability"}
	launch := []string{"published", "published_at", "launch_at", "starts_at", "items", "top"}
	return map[otn.Use][]string{otn.PriceDrop: price, otn.BackInStock: stock, otn.TicketsAvailable: append(stock, launch...), otn.CollectionLaunch: launch}
}

// lintUse finds a condition that speaks of another use than the topic's, and of its own not at all.
func lintUse(d *ruleDecl, r *rule, t *topicDecl) {
	own, other := spokenOf()[t.Use], ""
	var at ast.Node
	spoken := false
	r.when.paths(func(path string, n ast.Node) {
		_, fact, _ := strings.Cut(path, ".")
		if spoken = spoken || slices.Contains(own, fact); spoken {
			return
		}
		for _, use := range []otn.Use{otn.PriceDrop, otn.BackInStock, otn.CollectionLaunch} {
			if other == "" && slices.Contains(spokenOf()[use], fact) {
				other, at = path, n
			}
		}
	})
	if spoken || other == "" {
		return
	}
	from, to := extent(at)
	d.src.warn(d.src.within(d.when, from, to-from), codeOtherUse,
		fmt.Sprintf("topic %s is for %s, and this rule decides by %s: a consent may be used only for what it was given for", t.ID, t.Use, other), "make a topic of its own for it")
}

// lintRecurs finds a rule that can tell the same person about the same subject again within a day.
func lintRecurs(d *ruleDecl, r *rule) {
	change := r.fired || r.when != nil && r.when.uses&usesWas != 0
	single := len(r.On) == 0 && r.Cron == ""
	l := r.Plan.Limits
	guarded := l.Messages > 0 && time.Duration(l.Messages)*day <= l.Within
	if r.State || change || single || guarded || len(r.On) == 0 && daily(r.Cron) {
		return
	}
	d.src.warn(d.fireAt.at, codeRecurs, "with fire: each a person who holds several consents is told again at the next event, within the day", "leave fire out, or set limits: {per_subscriber: 1/24h}")
}

// daily reports a cron line that is due once a day at most.
func daily(line string) bool {
	if every, ok := strings.CutPrefix(line, "@every "); ok {
		d, err := time.ParseDuration(every)
		return err == nil && d >= day
	}
	f := strings.Fields(line)
	return len(f) == 5 && !strings.ContainsAny(f[0]+f[1], "*,-/")
}

// lintMention finds a message that names nothing of the subject that the ask was about.
func lintMention(d *ruleDecl, r *rule, a *ask) {
	if r.Kind == otn.NoSubject || a.title == nil {
		return
	}
	named, texts := false, r.letter.templates()
	about := func(path string, _ ast.Node) {
		root, _, _ := strings.Cut(path, ".")
		named = named || slices.Contains([]string{"item", "collection", "was", "el", "trigger"}, root)
	}
	if a.title.expressions(func(e *compiled) { e.paths(about) }); !named || len(texts) == 0 {
		return
	}
	named = false
	if r.letter.expressions(func(e *compiled) { e.paths(about) }); !named {
		d.src.warn(d.n.get("message").at, codeSilent, fmt.Sprintf("the message names nothing of what was asked for: %q", cut(a.topic.Ask, 80)), "name it, as in ${"+string(r.Kind)+".title}")
	}
}

// lintOptional finds an answer that may be left out and is used as if it were always there.
func lintOptional(d *ruleDecl, r *rule, t *topicDecl) {
	asked := map[string]bool{}
	guards := func(e *compiled) {
		e.paths(func(path string, _ ast.Node) {
			if name, ok := strings.CutPrefix(path, "sub.has."); ok {
				asked[name] = true
			}
		})
	}
	if r.when != nil {
		guards(r.when)
	}
	r.unguarded(r.when, t, asked, func(name string, n ast.Node) {
		from, to := extent(n)
		d.src.warn(d.src.within(d.when, from, to-from), codeUnguarded, fmt.Sprintf("%s is optional: who left it out is never told", "sub."+name),
			fmt.Sprintf("!sub.has.%s || … tells them too; sub.has.%s && … says that this is meant", name, name))
		asked[name] = true
	})
	r.letter.expressions(guards)
	for _, text := range r.letter.templates() {
		text.expressions(func(e *compiled) {
			r.unguarded(e, t, asked, func(name string, _ ast.Node) {
				d.src.warn(text.at.at, codeUnguarded, fmt.Sprintf("%s is optional: who left it out gets no message", "sub."+name), fmt.Sprintf("write ${sub.has.%s ? … : …}, or ask for sub.has.%s in when", name, name))
				asked[name] = true
			})
		})
	}
}

// unguarded visits the optional answers of an expression for which nobody asked whether they were given.
func (r *rule) unguarded(e *compiled, t *topicDecl, asked map[string]bool, visit func(name string, n ast.Node)) {
	e.paths(func(path string, n ast.Node) {
		name, ok := strings.CutPrefix(path, "sub.")
		if f, declared := t.Answer(name); ok && declared && f.Optional && !asked[name] {
			visit(name, n)
		}
	})
}

// promises finds what an ask must not hold out: money, or a reward. Source: Messenger Platform policy; the words are ours.
var promises = regexp.MustCompile(`(?i)\b(rewards?|gifts?|vouchers?|coupons?|prizes?|bonus(es)?|cash ?back|giveaways?|raffle|lottery|sweepstakes?|freebies?|for free|free gift|earn|win|get paid|` +
	`(promo|discount) codes?|\d+ ?(%|percent) off (if|for|when|your)|gutscheine?|geschenke?|gewinn(e|en|spiel)?|rabattcodes?|prämien?|cadeaux?|bon d'achat|regalos?|premios?|cupón|cupones)(\W|$)|` +
	`(?i)\b(get|save|receive) ?[$€£]`)

// lintAsk finds a promise of money or a reward in the title of a request, and in what is said after the consent.
func (s *source) lintAsk(t *template) {
	text := t.masked()
	if m := promises.FindStringIndex(text); m != nil {
		s.warn(s.within(t.at, utf8.RuneCountInString(text[:m[0]]), utf8.RuneCountInString(strings.TrimRight(text[m[0]:m[1]], " "))), codeReward,
			"an ask that promises money or a reward is against the platforms' rules", "say only what the message will be about")
	}
}

// bareBraces finds a name in braces of another language: {item.title}, {{item.title}}, $item.title.
var bareBraces = regexp.MustCompile(`(?:^|[^$])(\{\{[^{}]*\}\}|\{ *(?:item|collection|sub|was|trigger|params|el)\.[a-z_.]+ *\})|(\$(?:item|collection|sub|was|trigger|params|el)\.[a-z_]+)`)

func (s *source) lintBraces(t *template) {
	text := t.masked()
	for _, m := range bareBraces.FindAllStringSubmatchIndex(text, -1) {
		from, to := m[2], m[3]
		if from < 0 {
			from, to = m[4], m[5]
		}
		name := strings.Trim(text[from:to], "${} ")
		if !strings.Contains(name, ".") {
			name = "item." + name
		}
		s.warn(s.within(t.at, utf8.RuneCountInString(text[:from]), utf8.RuneCountInString(text[from:to])), codeBraces,
			"this stands in the text as it is written", "write ${"+name+"} for a value")
	}
}

// masked is the text with spaces where its expressions are.
func (t *template) masked() string {
	runes := []rune(t.at.text)
	pieces, _ := splitTemplate(t.at.text)
	for _, p := range pieces {
		if !p.expr {
			continue
		}
		for i := max(p.off-2, 0); i < min(p.off+utf8.RuneCountInString(p.text)+1, len(runes)); i++ {
			runes[i] = ' '
		}
	}
	return string(runes)
}
