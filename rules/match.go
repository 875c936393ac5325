// An event against the rules: what is the same for every consent is decided here, once.

package rules

import (
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// Match decides the half without the consent of every rule that is on the event, or of e.Rule alone.
//
// First sight of a subject fires nothing, unless the rule says first: fire. A state rule fires when it becomes true: what
// it is compared with is its last decision, or the facts before the event when there is none or it is older than those.
// Before must have been known to be false: a condition that was undecided, or failed, and is true now is no news.
func (s *Set) Match(e otn.Event, last func(rule string) (otn.Last, bool)) []otn.Match {
	var out []otn.Match
	f := frame{zones: zones{}}
	for _, r := range s.on(e) {
		f.at, f.now, f.was, f.firstSeen, f.trigger = e.At, e.Now, e.Was, e.First, e.Trigger
		out = append(out, r.match(&f, e, last))
	}
	return out
}

// on lists the rules that an event concerns.
func (s *Set) on(e otn.Event) []*rule {
	if e.Rule != "" || e.Kind == otn.CronDue || e.Kind == otn.SendAsked {
		r, ok := s.byID[e.Rule]
		if !ok || (e.Kind == otn.SendAsked) != r.sent {
			return nil
		}
		return []*rule{r}
	}
	if e.Kind == otn.Triggered {
		if e.Trigger == nil {
			return nil
		}
		return s.byEvent["trigger."+e.Trigger.Name]
	}
	return s.byEvent[string(e.Kind)]
}

func (r *rule) match(f *frame, e otn.Event, last func(string) (otn.Last, bool)) otn.Match {
	m := otn.Match{Rule: r.Rule}
	changed := e.Kind == otn.ItemChanged || e.Kind == otn.CollectionChanged
	fresh := changed && e.First
	if r.State && !fresh {
		m.Last, fresh = r.before(e, last)
	}
	v := r.once.eval(f)
	m.Verdict, m.Because = v.verdict(), v.because()
	switch {
	case m.Verdict != otn.Yes:
		return m
	case fresh && !r.FirstFires && (r.State || changed):
		m.Verdict, m.Because = otn.Holds, "first sight: there is nothing to compare with"
	case fresh || !r.State || m.Last.Cleared:
	case !r.NeedsSub:
		m.Verdict, m.Because = risen(r.past(f, m.Last))
	}
	return m
}

// before is what a state rule is compared with, and whether this is its first decision.
func (r *rule) before(e otn.Event, last func(string) (otn.Last, bool)) (otn.Last, bool) {
	var l otn.Last
	ok := false
	if last != nil {
		l, ok = last(r.ID)
	}
	switch {
	case ok && l.Cleared:
		return l, false
	case e.Kind == otn.CronDue:
		return l, !ok
	case !ok || l.Now.Rev < e.Was.Rev:
		return otn.Last{At: e.Was.At, Now: e.Was}, e.Was.IsZero()
	}
	return l, false
}

// past decides the half without the consent with the facts of the last decision. The frame is as before afterwards.
func (r *rule) past(f *frame, l otn.Last) value {
	at, now := f.at, f.now
	f.at, f.now = l.At, l.Now
	v := r.once.eval(f)
	f.at, f.now = at, now
	return v
}

// risen is the verdict of a state that is true now, by what it was.
func risen(past value) (otn.Verdict, string) {
	switch {
	case past.isFalse():
		return otn.Yes, ""
	case past.isTrue():
		return otn.Holds, "it was true before"
	}
	return otn.Holds, "it may have been true before: " + past.because()
}

// none reports that there was no last decision.
func none(l otn.Last) bool { return l.At.Equal(time.Time{}) && l.Now.IsZero() }
