// How the runs of a rule are carried out, as the file says it: hold, waves, order, hours, limits, and the file's defaults.

package rules

import (
	"fmt"
	"slices"
	"strings"

	"github.com/onetimenotify/otn/core/otn"
)

const (
	maxHold  = 30 * day // of hold, coalesce, spread and the time between two waves
	maxAfter = 7 * day  // of an ask: no window is open longer
	maxRanks = 4        // conditions in an order
	off      = "none"   // takes back what the defaults say
	oldest   = "oldest_first"
	newest   = "newest_first"
)

// pacing is what a rule, or the defaults of its file, say. has tells of each key of deliver and limits where it stands.
type pacing struct {
	plan     otn.Plan
	has      map[string]place
	torn     bool // between is at fault
	notAfter *node
	size     *node
	ranks    []*node
}

// defaults reads what holds for every rule of the file.
func (d *decoder) defaults(n *node) *pacing {
	p := &pacing{}
	if n == nil || n.kind == nullNode || d.mapping(n, "defaults", "defaults") == nil {
		return p
	}
	d.deliver(n.get("deliver"), p)
	d.limits(n.get("limits"), p)
	return p
}

// pacing reads what a rule says.
func (d *decoder) pacing(n *node) *pacing {
	p := &pacing{}
	if h := n.get("hold"); h != nil {
		p.plan.Hold = d.span(h, "hold", maxHold)
	}
	if c := n.get("coalesce"); c != nil {
		p.plan.Coalesce = d.span(c, "coalesce", maxHold)
	}
	p.plan.WhileTrue = d.pick(n, "rule", "while_true") == "send"
	order := n.get("order")
	if r := n.get("release"); r != nil && d.mapping(r, "release", "release") != nil {
		p.size = r.get("size")
		if e := r.get("every"); e != nil && e.kind != nullNode {
			p.plan.Every = d.span(e, "every", maxHold)
		}
		if own := r.get("order"); own != nil && order != nil {
			d.fault(own.at, codeTwice, "the order stands twice: in the rule and in release", "keep one of them")
		} else if own != nil {
			order = own
		}
	}
	d.order(order, p)
	d.deliver(n.get("deliver"), p)
	d.limits(n.get("limits"), p)
	return p
}

// order reads a word, or a list of conditions with a word at its end.
func (d *decoder) order(n *node, p *pacing) {
	if n == nil {
		return
	}
	list := []*node{n}
	if n.kind == listNode {
		list = n.items
	}
	for i, e := range list {
		w, ok := d.word(e, "order")
		w = strings.TrimSpace(w)
		switch {
		case !ok:
		case w == oldest || w == newest:
			p.plan.Newest = w == newest
			if i < len(list)-1 {
				d.fault(e.at, codeOrder, w+" comes last: nothing is told apart behind it", "")
			}
		case n.kind != listNode:
			d.fault(e.at, codeOrder, fmt.Sprintf("order cannot be %q", w), fmt.Sprintf("write %s, %s, or a list of conditions: ['\"vip\" in sub.tags', %s]", oldest, newest, oldest))
		case nearest(w, []string{oldest, newest}) != "":
			d.fault(e.at, codeOrder, fmt.Sprintf("order cannot be %q", w), didYouMean(w, []string{oldest, newest}))
		case n.flow && strings.Count(w, "(") != strings.Count(w, ")"):
			d.fault(e.at, codeComma, "inside [ ] YAML splits the value at its commas", "quote the whole expression: '…'")
			return
		default:
			p.ranks = append(p.ranks, e)
		}
	}
	if len(p.ranks) > maxRanks {
		d.fault(p.ranks[maxRanks].at, codeOrder, fmt.Sprintf("an order has at most %d conditions, and here are %d", maxRanks, len(p.ranks)), "")
	}
	p.plan.Ranked = len(p.ranks) > 0
}

// said notes that a key is there, and reports whether it has a value: none takes back what the defaults say.
func (d *decoder) said(p *pacing, n *node, name string) (*node, bool) {
	v := n.get(name)
	if v == nil {
		return nil, false
	}
	if v.kind == nullNode {
		d.fault(v.at, codeMissing, name+" is empty", "")
		return nil, false
	}
	if p.has == nil {
		p.has = map[string]place{}
	}
	p.has[name] = v.at
	return v, v.kind != scalarNode || strings.TrimSpace(v.text) != off
}

func (d *decoder) deliver(n *node, p *pacing) {
	if n == nil || d.mapping(n, "deliver", "deliver") == nil {
		return
	}
	h := &p.plan.Hours
	if v, ok := d.said(p, n, "between"); ok {
		h.From, h.To, ok = d.hours(v)
		p.torn = !ok
	}
	if v, ok := d.said(p, n, "tz"); ok {
		if w, ok := d.word(v, "tz"); ok && w == "subscriber" {
			h.Subscriber = true
		} else if _, known := (zones{}).find(w); ok && known {
			h.TZ = w
		} else if ok {
			d.fault(v.at, codeZone, fmt.Sprintf("there is no time zone %q", w), "subscriber, for everybody's own, or a name as America/New_York")
		}
	}
	if v, ok := d.said(p, n, "outside"); ok {
		h.Skip = d.choice(v, "outside", "wait", "skip") == "skip"
	}
	if v, ok := d.said(p, n, "not_after"); ok {
		p.notAfter = v
	}
	if v, ok := d.said(p, n, "spread"); ok {
		p.plan.Spread = d.span(v, "spread", maxHold)
	}
}

func (d *decoder) limits(n *node, p *pacing) {
	if n == nil || d.mapping(n, "limits", "limits") == nil {
		return
	}
	l := &p.plan.Limits
	if v, ok := d.said(p, n, "per_run"); ok {
		l.PerRun = d.count(v, "per_run")
	}
	if v, ok := d.said(p, n, "per_subscriber"); ok {
		l.Messages, l.Within, _ = d.rate(v)
	}
	v, ok := d.said(p, n, "pause_above")
	if !ok || d.mapping(v, "pause_above", "pause_above") == nil {
		return
	}
	share, least := v.get("share"), v.get("at_least")
	if share != nil {
		l.PauseShare = d.share(share)
	}
	if least != nil {
		l.PauseAtLeast = d.count(least, "at_least")
	}
	if share == nil && least == nil {
		d.fault(v.at, codeMissing, "pause_above says neither share nor at_least", "for example {share: 25%, at_least: 200}")
	}
}

// over is what holds where a rule says p and its file's defaults say base: key by key, the rule's own word first.
func (p *pacing) over(base *pacing, only ...string) *pacing {
	out := *p
	if base == nil {
		return &out
	}
	for name := range base.has {
		if _, own := p.has[name]; own || len(only) > 0 && !slices.Contains(only, name) {
			continue
		}
		to, from := &out.plan, &base.plan
		switch name {
		case "between":
			to.Hours.From, to.Hours.To = from.Hours.From, from.Hours.To
		case "tz":
			to.Hours.TZ, to.Hours.Subscriber = from.Hours.TZ, from.Hours.Subscriber
		case "outside":
			to.Hours.Skip = from.Hours.Skip
		case "not_after":
			out.notAfter = base.notAfter
		case "spread":
			to.Spread = from.Spread
		case "per_run":
			to.Limits.PerRun = from.Limits.PerRun
		case "per_subscriber":
			to.Limits.Messages, to.Limits.Within = from.Limits.Messages, from.Limits.Within
		case "pause_above":
			to.Limits.PauseShare, to.Limits.PauseAtLeast = from.Limits.PauseShare, from.Limits.PauseAtLeast
		}
	}
	return &out
}
