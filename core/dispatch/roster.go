// A version of the rules, sorted by what concerns them: an event looks at the few that somebody waits for, however many there are.

package dispatch

import (
	"slices"
	"sync/atomic"

	"github.com/onetimenotify/otn/core/otn"
)

// roster is one version with its rules in reach.
type roster struct {
	otn.Rules
	list    []otn.Rule
	byID    map[string]int
	on      map[string]*concerned // by what rules are on: item.changed, collection.changed, trigger.NAME
	granted map[string][]otn.Rule // by topic: those that look at a grant
	kept    atomic.Bool           // its source is on disk for certain
}

// concerned are the rules that are on one thing, in the order of the files.
type concerned struct {
	topics map[string][]int // by topic
	shop   []string         // topics about the shop as a whole
}

func newRoster(r otn.Rules) *roster {
	out := &roster{Rules: r, list: r.List(), byID: map[string]int{}, on: map[string]*concerned{}, granted: map[string][]otn.Rule{}}
	for i, rule := range out.list {
		out.byID[rule.ID] = i
		for _, on := range rule.On {
			out.add(on, rule, i)
		}
		if clocked(rule) || rule.Plan.WhileTrue {
			out.granted[rule.Topic] = append(out.granted[rule.Topic], rule)
		}
	}
	return out
}

func (r *roster) add(on string, rule otn.Rule, i int) {
	c := r.on[on]
	if c == nil {
		c = &concerned{topics: map[string][]int{}}
		r.on[on] = c
	}
	if len(c.topics[rule.Topic]) == 0 && subjectOf(rule, "x") == (otn.Subject{}) {
		c.shop = append(c.shop, rule.Topic)
	}
	if list := c.topics[rule.Topic]; !slices.Contains(list, i) {
		c.topics[rule.Topic] = append(list, i)
	}
}

// rule finds a rule by its id.
func (r *roster) rule(id string) (otn.Rule, bool) {
	i, ok := r.byID[id]
	if !ok {
		return otn.Rule{}, false
	}
	return r.list[i], true
}

// roster is that of a version: the current one, or an older one as version keeps it.
func (d *Dispatch) roster(rules otn.Rules) *roster {
	cur := d.rules.Load()
	if cur.Version() == rules.Version() {
		return cur
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if r, ok := d.versions[rules.Version()]; ok {
		return r
	}
	return newRoster(rules)
}

// concerned lists the rules that an event concerns and for which somebody waits, in the order of the files.
func (x *decider) concerned(e otn.Event) (ids []string) {
	r := x.d.roster(x.rules)
	if e.Rule != "" {
		if rule, ok := r.rule(e.Rule); ok && x.d.Ledger.Pending(lineOf(rule, e.Subject)) > 0 {
			ids = append(ids, e.Rule)
		}
		return ids
	}
	on := string(e.Kind)
	if e.Kind == otn.Triggered && e.Trigger != nil {
		on = "trigger." + e.Trigger.Name
	}
	c := r.on[on]
	if c == nil {
		return nil
	}
	var found []int
	add := func(topic string, subject string) {
		for _, i := range c.topics[topic] {
			if x.d.Ledger.Pending(lineOf(r.list[i], e.Subject)) > 0 && subjectOf(r.list[i], subject).ID == subject {
				found = append(found, i)
			}
		}
	}
	if e.Subject.ID != "" {
		for _, topic := range x.d.Ledger.TopicsOf(e.Subject.ID) {
			add(topic, e.Subject.ID)
		}
	}
	for _, topic := range c.shop {
		add(topic, "")
	}
	slices.Sort(found)
	for _, i := range found {
		ids = append(ids, r.list[i].ID)
	}
	return ids
}

// keepVersion has the source of the rules that decide written down with the batch, unless it is on disk.
func (x *decider) keepVersion() {
	r := x.d.roster(x.rules)
	key := versionKey(r.Version())
	if _, put := x.docs[key]; put || r.kept.Load() {
		return
	}
	x.put(once(key, r.Source()))
	x.kept = append(x.kept, r)
}
