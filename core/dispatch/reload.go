// Another version of the rules: what it forgets, what it starts from. Nothing fires by it.

package dispatch

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// Reload lets another version decide about new events. Runs that exist are finished by the version that made them.
func (d *Dispatch) Reload(ctx context.Context, r otn.Rules) error {
	d.acting.Lock()
	defer d.acting.Unlock()
	d.rules.Store(newRoster(r))
	ctx = context.WithoutCancel(ctx)
	if err := d.adopt(ctx); err != nil {
		return err
	}
	return d.wantIndexes(ctx)
}

// book is the document of the rules that decided last.
const bookKey = "rulebook"

// adopt takes the current rules for what they are: what rules knew that are no more is forgotten, new ones start from the
// facts now, and the moments of all of them are planned.
func (d *Dispatch) adopt(ctx context.Context) error {
	before, err := readDoc[[]string](d, bookKey)
	if err != nil {
		return err
	}
	roster, known := d.rules.Load(), map[string]bool{}
	for _, id := range before {
		known[id] = true
	}
	now := []string{}
	for _, r := range roster.list {
		now = append(now, r.ID)
		if !known[r.ID] {
			if err := d.startFromNow(ctx, r); err != nil {
				return err
			}
		}
	}
	for _, id := range before {
		if _, still := roster.rule(id); !still {
			if err := d.forgetRule(ctx, id); err != nil {
				return err
			}
		}
	}
	if err := d.plan(ctx); err != nil || slices.Equal(before, now) {
		return err
	}
	return d.commit(ctx, &ledger.Batch{Docs: []*ledger.Doc{put(bookKey, now)}})
}

// startFromNow stores the facts now for a new rule that decides at moments of its own: what is true already is no news.
// Other rules know from each event what was before it.
func (d *Dispatch) startFromNow(ctx context.Context, r otn.Rule) error {
	if !clocked(r) {
		return nil
	}
	at := d.Clock.Now()
	return d.eachLine(ctx, r, func(x *decider, s otn.Subject) error {
		snap, _, err := d.Shop.Snapshot(s)
		if err != nil {
			return err
		}
		x.put(once(lastKey(r.ID, s), encode(otn.Last{At: at, Now: snap})))
		return nil
	})
}

// forgetRule drops the state of a rule that is no more, and its cron line.
func (d *Dispatch) forgetRule(ctx context.Context, id string) error {
	prefix := lastPrefix + id + "/"
	for {
		docs, err := d.Ledger.Docs(prefix, "", linesAStep)
		if err != nil {
			return err
		}
		b := ledger.Batch{Docs: []*ledger.Doc{drop(CronTimer + "/" + id)}}
		for _, doc := range docs {
			b.Docs = append(b.Docs, drop(doc.Key))
		}
		if err := d.commit(ctx, &b); err != nil || len(docs) < linesAStep {
			return err
		}
	}
}

// Rearm forgets what a rule holds for true, about one subject or, for "", about all: at the next event or moment it tells
// everybody for whom it is true then. It returns for how many subjects. Errors: otn.ErrNotFound for the rule,
// otn.ErrRefused for one that is about a change, which remembers nothing.
func (d *Dispatch) Rearm(ctx context.Context, rule, subject string) (n int, err error) {
	d.acting.Lock()
	defer d.acting.Unlock()
	r, ok := d.rules.Load().rule(rule)
	switch {
	case !ok:
		return 0, fmt.Errorf("dispatch: rule %q: %w", rule, otn.ErrNotFound)
	case !r.State:
		return 0, fmt.Errorf("dispatch: rule %s is about a change, and remembers nothing: %w", rule, otn.ErrRefused)
	}
	at := d.Clock.Now()
	err = d.eachLine(context.WithoutCancel(ctx), r, func(x *decider, s otn.Subject) error {
		if subject != "" && s.ID != strings.TrimSpace(subject) {
			return nil
		}
		n++
		x.put(put(lastKey(r.ID, s), otn.Last{At: at, Cleared: true}))
		return nil
	})
	return n, err
}
