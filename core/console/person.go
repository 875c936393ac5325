// One person: what they asked for, what became of it, and why or why not; found by their id, never listed.

package console

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/otn"
)

// peopleView asks whom to look up.
type peopleView struct{ Channels []core.InstanceView }

func (peopleView) title() string { return "People" }

func (c *console) peoplePage(v *visit) (any, error) {
	channels, _ := c.host.Instances(v.Context())
	return peopleView{channels}, nil
}

// find goes to a person. The id comes by POST: no address, and so no history, holds it.
func (c *console) find(v *visit) (done, error) {
	channel, id := v.arg("channel"), v.arg("id")
	if _, err := c.host.Subscriber(channel, id); err != nil {
		return done{}, hide(err, id)
	}
	return done{to: "/people/person?p=" + c.people.seal(channel, id)}, nil
}

// personView is one person.
type personView struct {
	core.SubscriberView
	P        string // the sealed name
	Story    []chapter
	Stories  []story
	Living   int
	Channels []core.InstanceView
}

func (p personView) title() string { return "Subscriber " + shortName(p.Subscriber) }

// chapter is one moment of the timeline, with what each part of a condition was worth.
type chapter struct {
	core.Moment
	Verdict string
	Run     string
	Values  []string
	Future  bool
}

// story is what became of one consent: its last word.
type story struct {
	core.ConsentView
	Last    *core.Reason
	Because string // the smallest part of the condition that was not so
}

func (c *console) person(v *visit) (any, error) {
	channel, id, err := c.people.open(v.arg("p"))
	if err != nil {
		return nil, err
	}
	s, err := c.host.Subscriber(channel, id)
	if err != nil {
		return nil, hide(err, id)
	}
	why, err := c.host.Why(channel, id, "")
	if err != nil && !isAny(err, otn.ErrNotFound) {
		return nil, hide(err, id)
	}
	veil(s.Deliveries)
	for i := range why.Reasons {
		r := &why.Reasons[i]
		r.Because = veiled(r.Because, id)
		for j := range r.Values {
			r.Values[j] = veiled(r.Values[j], id)
		}
	}
	p := personView{SubscriberView: s, P: v.arg("p"), Story: chapters(s, why, c.Now()), Stories: stories(s, why)}
	for _, one := range s.Consents {
		if one.State == "waiting" {
			p.Living++
		}
	}
	return p, nil
}

// chapters are the reasons of a person and what else happened to them, newest first.
func chapters(s core.SubscriberView, why core.Why, now time.Time) (list []chapter) {
	for _, r := range why.Reasons {
		list = append(list, chapter{
			Moment:  core.Moment{At: r.At, Kind: kindOf(r), Rule: r.Rule, Topic: r.Topic, Subject: r.Subject, What: r.Because},
			Verdict: r.Verdict, Run: r.Run, Values: r.Values,
		})
	}
	for _, m := range s.Timeline {
		if m.Kind == "window" || m.Kind == "silence" {
			list = append(list, chapter{Moment: m})
		}
	}
	for i := range list {
		list[i].Future = list[i].At.After(now)
	}
	slices.SortStableFunc(list, func(a, b chapter) int { return b.At.Compare(a.At) })
	return list
}

// kindOf is what a reason is about, in a word.
func kindOf(r core.Reason) string {
	switch r.Verdict {
	case "granted", "expired", "withdrawn":
		return "consent"
	case "planned", "asked", "not asked":
		return "ask"
	case "said", "not said":
		return "reply"
	case "tagged":
		return "tags"
	case "sent", "refused", "deferred", "invalid", "unknown", "sending":
		if r.Run == "" {
			return "ask"
		}
		return "delivery"
	}
	return "decision"
}

// stories gives each consent its last word, those that wait first.
func stories(s core.SubscriberView, why core.Why) (list []story) {
	for _, one := range s.Consents {
		st := story{ConsentView: one}
		for i := range why.Reasons {
			if r := &why.Reasons[i]; r.Consent == one.ID && r.Verdict != "granted" {
				st.Last = r
			}
		}
		if st.Last != nil {
			st.Because = decisive(st.Last.Values)
		}
		list = append(list, st)
	}
	slices.SortStableFunc(list, func(a, b story) int {
		return cmp.Or(cmp.Compare(rank(a.State), rank(b.State)), b.GrantedAt.Compare(a.GrantedAt))
	})
	return list
}

func rank(state string) int {
	if at := slices.Index([]string{"unknown", "claimed", "waiting"}, state); at >= 0 {
		return at
	}
	return 3 // what is over comes last
}

// decisive is the innermost part of a condition that was false.
func decisive(values []string) (part string) {
	for _, v := range values {
		if text, ok := strings.CutSuffix(v, " = false"); ok {
			part = strings.TrimSpace(text)
		}
	}
	return part
}

// export gives everything that is known of a person as a file. It holds their whole id: it is theirs.
func (c *console) export() http.Handler {
	return c.inside(core.ScopeAdmin, smallForm, func(w http.ResponseWriter, v *visit) {
		channel, id, err := c.people.open(v.arg("p"))
		var s core.SubscriberView
		if err == nil {
			s, err = c.host.Subscriber(channel, id)
		}
		err = hide(err, id)
		c.record(v.Request, v.key, "export-subscriber", c.host.PersonName(channel, id), c.outcome(v.Request, err))
		if err != nil {
			c.fail(w, v, err)
			return
		}
		text, err := json.MarshalIndent(s, "", "  ")
		if err != nil {
			c.fail(w, v, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Disposition", `attachment; filename="subscriber.json"`)
		_, _ = w.Write(append(text, '\n'))
	})
}

// tag sets a person's tags to those of the form, apart by commas or spaces.
func (c *console) tag(v *visit) (done, error) {
	channel, id, err := c.people.open(v.arg("p"))
	if err != nil {
		return done{}, err
	}
	tags := strings.FieldsFunc(v.arg("tags"), func(r rune) bool { return r == ',' || r == ' ' })
	_, err = c.host.Tag(v.Context(), channel, id, core.TagChange{Set: append([]string{}, tags...)})
	return done{to: v.arg("back"), said: "The tags are kept.", what: c.host.PersonName(channel, id)}, hide(err, id)
}

// withdraw ends one consent.
func (c *console) withdraw(v *visit) (done, error) {
	id := v.arg("consent")
	one, err := c.host.Withdraw(v.Context(), id)
	said := "Withdrawn."
	if err == nil && one.State != "withdrawn" {
		said = "Its message is on its way or in doubt. It is withdrawn should it wait again."
	}
	return done{to: v.arg("back"), said: said, what: "consent " + id}, err
}

// erase deletes everything of a person, when the number of their consents was typed.
func (c *console) erase(v *visit) (done, error) {
	channel, id, err := c.people.open(v.arg("p"))
	if err != nil {
		return done{}, err
	}
	s, err := c.host.Subscriber(channel, id)
	if err != nil {
		return done{}, hide(err, id)
	}
	d := done{to: "/people", what: c.host.PersonName(channel, id)}
	if n, err := strconv.Atoi(v.arg("count")); err != nil || n != len(s.Consents) {
		return d, fmt.Errorf("nothing was erased: type %d, the number of their consents: %w", len(s.Consents), otn.ErrRefused)
	}
	e, err := c.host.Erase(v.Context(), channel, id)
	d.said = fmt.Sprintf("Erased, with %s. Nothing of them is left in the store.", count(int64(e.Consents), "consent", "consents"))
	if err == nil && !e.Done {
		d.said = "A message to them is on its way. They are erased as soon as it is answered."
	}
	return d, hide(err, id)
}
