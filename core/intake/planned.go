// Asks that happen by themselves: what somebody did makes them due at a moment, decided only then. One for each person and ask.

package intake

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// PlannedTimer is the kind of the timers of asks that happen by themselves. The Host takes them.
const PlannedTimer = "planned"

// Planned is an ask of the rules that waits for its moment: what it is on, and for whom. On disk it is sealed. A later cause
// of the same ask for the same person moves it, so that there is one timer at a time.
type Planned struct {
	Rule       string            `json:"rule"`
	On         string            `json:"on"` // as in otn.AskRule
	Channel    string            `json:"channel"`
	Subscriber string            `json:"subscriber"`
	Topic      string            `json:"topic"`
	Subject    string            `json:"subject,omitempty"`
	Answers    map[string]string `json:"answers,omitempty"` // that the link carries
	Ref        *otn.Ref          `json:"ref,omitempty"`
	Rest       string            `json:"rest,omitempty"`
	Trigger    *otn.Trigger      `json:"trigger,omitempty"` // without the person
	At         time.Time         `json:"at"`                // of what it is on
	Due        time.Time         `json:"due"`

	Waits     bool      `json:"waits,omitempty"`     // for a window: none was open when they came
	Tries     int       `json:"tries,omitempty"`     // how often the channel put it off
	NotBefore time.Time `json:"not_before,omitzero"` // the channel wants the person left alone until then
	Off       string    `json:"off,omitempty"`       // why it was put off last
}

// PlannedOf is where the planned asks of a person are kept.
func PlannedOf(p otn.PersonID) string { return "planned/" + p.String() + "/" }

// Key is the ask's document: one for each person and ask, and for each topic and subject that a link or a trigger names.
func (p *Planned) Key(l *ledger.Ledger) string {
	about := ""
	if p.On != otn.WindowOpened {
		about = "/" + otn.ShortRef(p.Topic+"."+p.Subject)
	}
	return PlannedOf(l.Person(p.Channel, p.Subscriber)) + p.Rule + about
}

// Doc is the ask as it is kept, when the document before it had this revision.
func (p *Planned) Doc(l *ledger.Ledger, rev uint64) (*ledger.Doc, error) {
	sealed, err := l.SealText(encode(p))
	return &ledger.Doc{Key: p.Key(l), Value: sealed, Rev: rev}, err
}

// plannedBody is the body of a timer: nothing personal is in it.
type plannedBody struct {
	Channel string `json:"channel"`
	Key     string `json:"key"`
}

// Timer is when the ask is decided.
func (p *Planned) Timer(l *ledger.Ledger) ledger.Timer {
	key := p.Key(l)
	return ledger.Timer{TimerID: ledger.TimerID{Due: p.Due, ID: key}, Kind: PlannedTimer, Body: encode(plannedBody{p.Channel, key})}
}

// ReadPlanned reads a document that Doc made. Errors: otn.ErrStore.
func ReadPlanned(l *ledger.Ledger, d ledger.Doc) (*Planned, error) {
	plain, err := l.OpenText(d.Value)
	if err != nil {
		return nil, err
	}
	p := new(Planned)
	if err := json.Unmarshal(plain, p); err != nil {
		return nil, fmt.Errorf("intake: an ask that is planned: %w: %w", err, otn.ErrStore)
	}
	return p, nil
}

// PlannedDue finds the ask that a timer is for, with its document. Not ok: it was moved, asked or forgotten meanwhile.
func PlannedDue(l *ledger.Ledger, t ledger.Timer) (p *Planned, d ledger.Doc, ok bool, err error) {
	var body plannedBody
	if err := json.Unmarshal(t.Body, &body); err != nil {
		return nil, d, false, fmt.Errorf("intake: a timer of an ask: %w: %w", err, otn.ErrStore)
	}
	d, ok, err = l.Doc(body.Key)
	if err != nil || !ok {
		return nil, d, false, err
	}
	p, err = ReadPlanned(l, d)
	return p, d, err == nil && p.Due.Equal(t.Due), err
}

// plan makes an ask due, or moves it when it is planned already and this cause is later.
func (w *writer) plan(p Planned, after time.Duration) error {
	if p.Subscriber == "" || len(p.Subscriber) > MaxSubscriber {
		return fmt.Errorf("a subscriber's id has 1 to %d bytes: %w", MaxSubscriber, otn.ErrInvalid)
	}
	key := p.Key(w.in.Ledger)
	have, ok, err := w.doc(key)
	if err != nil {
		return err
	}
	p.Due = latest(p.At.Add(after), w.now)
	if ok {
		before, err := ReadPlanned(w.in.Ledger, have)
		if err != nil {
			return err
		}
		if !p.At.After(before.At) {
			return nil
		}
		p.NotBefore = before.NotBefore
		p.Due = latest(p.Due, p.NotBefore)
		if !p.Due.Equal(before.Due) {
			w.unset(before)
		}
	}
	return w.set(&p, have.Rev)
}

// set keeps a planned ask with its timer.
func (w *writer) set(p *Planned, rev uint64) error {
	doc, err := p.Doc(w.in.Ledger, rev)
	if err != nil {
		return err
	}
	w.put(doc)
	w.batch.Timers = append(w.batch.Timers, p.Timer(w.in.Ledger))
	return nil
}

// unset takes the timer of a planned ask back, from disk or from this very batch.
func (w *writer) unset(p *Planned) {
	old := p.Timer(w.in.Ledger).TimerID
	kept := w.batch.Timers[:0]
	for _, t := range w.batch.Timers {
		if t.ID != old.ID || !t.Due.Equal(old.Due) {
			kept = append(kept, t)
		}
	}
	w.batch.Timers = kept
	w.batch.Done = append(w.batch.Done, old)
}

// doc reads a document as this batch leaves it.
func (w *writer) doc(key string) (ledger.Doc, bool, error) {
	if here, mine := w.docs[key]; mine {
		return *here, here.Value != nil, nil
	}
	return w.in.Ledger.Doc(key)
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// moment is when something happened: as its source says, unless that is to come.
func (w *writer) moment(at time.Time) time.Time {
	if at.IsZero() || at.After(w.now) {
		return w.now
	}
	return at
}

// planOpened plans what the rules ask for when a window opens, and makes due what waited for one.
func (w *writer) planOpened(s otn.Subscriber, at time.Time) error {
	for _, a := range w.in.Rules().Asks() {
		if a.On != otn.WindowOpened {
			continue
		}
		if err := w.plan(Planned{Rule: a.ID, On: a.On, Channel: w.instance, Subscriber: s.ID, Topic: a.Topic, At: at}, a.After); err != nil {
			return err
		}
	}
	docs, err := w.in.Ledger.Docs(PlannedOf(w.in.Ledger.Person(w.instance, s.ID)), "", asksAtOnce)
	if err != nil {
		return err
	}
	for _, d := range docs {
		p, err := ReadPlanned(w.in.Ledger, d)
		if err != nil {
			return err
		}
		if !p.Waits {
			continue
		}
		w.unset(p)
		p.Waits, p.Due = false, latest(w.now, p.NotBefore)
		if err := w.set(p, d.Rev); err != nil {
			return err
		}
	}
	return nil
}

// planReferred plans what the rules ask for when somebody comes through a link: about what the link names, or, where it
// names nothing that the rules declare, about the ask's own topic.
func (w *writer) planReferred(r otn.Referral, at time.Time) error {
	ref, known, err := w.in.Meaning(r.Ref)
	if err != nil {
		return err
	}
	rest, err := w.in.long(r.Ref)
	if err != nil {
		return err
	}
	if known {
		_, rest, _ = strings.Cut(rest, "?")
	} else {
		ref = otn.Ref{}
	}
	for _, a := range w.in.Rules().Asks() {
		if a.On != otn.Referred || a.Topic == "" && !known || a.Topic != "" && known && a.Topic != ref.Topic {
			continue
		}
		p := Planned{Rule: a.ID, On: a.On, Channel: w.instance, Subscriber: r.Subscriber.ID, Topic: a.Topic, Ref: &ref, Rest: clipTo(rest, maxRef), At: at}
		if known {
			p.Topic, p.Subject, p.Answers = ref.Topic, ref.Subject, ref.Answers
		} else if t, ok := w.in.Rules().Topic(a.Topic); !ok || t.Subject != otn.NoSubject {
			continue // such a link names nothing that could be asked about
		}
		if err := w.plan(p, a.After); err != nil {
			return err
		}
	}
	return nil
}

// planTriggered plans what the rules ask for when a trigger names a person.
func (w *writer) planTriggered(t otn.Trigger) error {
	if t.Subscriber.ID == "" {
		return nil
	}
	bare := t
	bare.Subscriber, bare.Key = otn.Subscriber{}, ""
	for _, a := range w.in.Rules().Asks() {
		if a.On != "trigger."+t.Name {
			continue
		}
		p := Planned{Rule: a.ID, On: a.On, Channel: t.Channel, Subscriber: t.Subscriber.ID, Topic: a.Topic, Trigger: &bare, At: w.now}
		if topic, ok := w.in.Rules().Topic(a.Topic); ok && topic.Subject == otn.ItemKind {
			p.Subject = t.Subject
		}
		if err := w.plan(p, a.After); err != nil {
			return err
		}
	}
	return nil
}

// clipTo cuts a text to so many bytes, at a letter.
func clipTo(s string, n int) string { return strings.ToValidUTF8(s[:min(len(s), n)], "") }
