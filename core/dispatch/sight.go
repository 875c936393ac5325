// How a run sees the consents of its line: by its rule, from the facts of one moment, and as they were while it was held.

package dispatch

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// sight decides about consents for one run. It belongs to one goroutine.
type sight struct {
	otn.Page // with the facts now
	d        *Dispatch
	run      *Run
	facts    otn.Facts
	dips     []otn.Page // with the facts at the beginning of the run's hold, and at which somebody fell out of it
	fell     bool       // the last Select was no because of them
}

// see begins decisions for a run from facts, at a moment. Who was not selected at one of the dips is not selected.
func (d *Dispatch) see(run *Run, dips []otn.Last, now otn.Snapshot, at time.Time) (*sight, error) {
	rules, err := d.version(run.Version)
	if err != nil {
		return nil, err
	}
	s := &sight{d: d, run: run, facts: run.Facts(now, at)}
	if s.Page, err = rules.Open(s.facts); err != nil {
		return nil, err
	}
	for _, dip := range dips {
		page, err := rules.Open(run.Facts(dip.Now, dip.At))
		if err != nil {
			return nil, err
		}
		s.dips = append(s.dips, page)
	}
	return s, nil
}

// seeNow is see with the subject as it is now.
func (d *Dispatch) seeNow(run *Run, dips []otn.Last, at time.Time) (*sight, error) {
	now, _, err := d.Shop.Snapshot(run.Subject)
	if err != nil {
		return nil, err
	}
	return d.see(run, dips, now, at)
}

// Choose decides for one consent, with what the rule wants to know of its person.
func (s *sight) Choose(c *ledger.Candidate) (otn.Verdict, error) {
	if s.run.NeedsPerson {
		if err := s.d.Meet(&c.Consent, c.Person(), s.facts.At); err != nil {
			return otn.No, err
		}
	}
	v := s.Select(&c.Consent)
	s.fell = false
	for _, page := range s.dips {
		if v == otn.Yes && page.Select(&c.Consent) != otn.Yes {
			v, s.fell = otn.No, true
		}
	}
	return v, nil
}

// Because says in words why the last Choose gave what it gave.
func (s *sight) Because() string {
	if s.fell {
		return "it was not true all the time that the run was held"
	}
	return s.Page.Because()
}

// means reports whether a consent is one of those that a run is for.
func (r *Run) means(c *ledger.Candidate) bool {
	return c.Seq < r.Below && (r.Only == 0 || r.Only == c.Seq) && (r.Person == nil || *r.Person == c.Person())
}

// each yields the consents that wait and that a run is for, until yield returns false; with rules, those whom they can mean.
func (d *Dispatch) each(run *Run, rules otn.Page, now time.Time, yield func(*ledger.Candidate) (bool, error)) error {
	switch {
	case run.Only > 0:
		c, ok, err := d.Ledger.Candidate(run.Line(), run.Only, now)
		if err == nil && ok {
			_, err = yield(c)
		}
		return err
	case run.Person != nil:
		list, err := d.Ledger.Siblings(*run.Person, run.Line(), now)
		for _, c := range list {
			more := true
			if run.means(c) && err == nil {
				more, err = yield(c)
			}
			if !more {
				break
			}
		}
		return err
	}
	var failed error
	after, done, wide := uint64(0), false, false
	for !done && failed == nil {
		stopped := false
		var err error
		after, done, err = d.look(run, rules, &wide, after, now, func(c *ledger.Candidate) bool {
			var more bool
			more, failed = yield(c)
			stopped = !more || failed != nil
			return !stopped
		})
		if err != nil {
			return err
		}
		done = done || stopped
	}
	return failed
}

// TagsKey is the document with a person's tags: a JSON list of texts.
func TagsKey(p otn.PersonID) string { return "tags/" + p.String() }

// Meet fills in what a rule may want to know of a consent's person beside the consent: their tags, and how many of their
// consents wait.
func (d *Dispatch) Meet(c *otn.Consent, p otn.PersonID, now time.Time) error {
	c.Tags, c.Waiting = nil, 0
	doc, there, err := d.Ledger.Doc(TagsKey(p))
	if err != nil {
		return err
	}
	if there {
		if err := json.Unmarshal(doc.Value, &c.Tags); err != nil {
			return fmt.Errorf("dispatch: the tags of %s: %w", p, errors.Join(err, otn.ErrStore))
		}
	}
	c.Waiting, err = d.Ledger.WaitingOf(p, now)
	return err
}

// Look decides for one waiting consent as a run would now: whether it is meant, and if so whether it is due; else why not.
// Of a run that is over it says whether it was due when the run began.
func (d *Dispatch) Look(run *Run, seq uint64, now time.Time, over bool) (meant bool, why Why, until time.Time, err error) {
	c, there, err := d.Ledger.Candidate(run.Line(), seq, now)
	if err != nil || !there {
		return false, Why{}, time.Time{}, err
	}
	course, _, err := d.readCourse(run.ID)
	if err != nil {
		return false, Why{}, time.Time{}, err
	}
	began := run.At
	if !course.Began.IsZero() {
		began = course.Began
	}
	s, err := d.seeNow(run, course.Dips, now)
	if errors.Is(err, otn.ErrStore) {
		return false, Why{}, time.Time{}, err
	}
	if err != nil {
		return false, Why{Words: err.Error()}, time.Time{}, nil
	}
	if v, err := s.Choose(c); err != nil || v != otn.Yes {
		return false, Why{Words: s.Because()}, time.Time{}, err
	}
	if over {
		now = began
	}
	until, why, err = d.calendar(run, began, now).when(c.TZ, c.Person())
	return true, why, until, err
}
