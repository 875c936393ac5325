// Asks that are wanted: by a bot that calls a channel's webhook, or by somebody who came through a link. They become timers.

package intake

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// AskTimer is the kind of the timers of asks that are wanted. The Host takes them: this package never sends.
const AskTimer = "ask"

// AskedPrefix is where the Host keeps the asks that were made, by person.
const AskedPrefix = "ask/"

// LinkPrefix is where what short refs stand for is kept, as text.
const LinkPrefix = "link/"

// maxRef is the longest ref that is asked with, in bytes: more does not come back from every platform.
const maxRef = 1000

// Wanted is an ask that is wanted, as it is kept. On disk it is sealed.
type Wanted struct {
	Channel    string    `json:"channel"`
	Subscriber string    `json:"subscriber"`
	Title      string    `json:"title,omitempty"` // empty: the topic's own
	Ref        string    `json:"ref"`
	GiveUp     time.Time `json:"give_up"` // not asked after this
	Tries      int       `json:"tries,omitempty"`
}

// Timer is when the ask is due.
func (a *Wanted) Timer(l *ledger.Ledger, due time.Time) (ledger.Timer, error) {
	sealed, err := l.SealText(encode(a))
	if err != nil {
		return ledger.Timer{}, err
	}
	id := AskTimer + "/" + l.Person(a.Channel, a.Subscriber).String() + "/" + otn.ShortRef(a.Ref)
	return ledger.Timer{TimerID: ledger.TimerID{Due: due, ID: id}, Kind: AskTimer, Body: sealed}, nil
}

// ReadWanted reads a timer that Timer made. Errors: otn.ErrStore.
func ReadWanted(l *ledger.Ledger, t ledger.Timer) (*Wanted, error) {
	plain, err := l.OpenText(t.Body)
	if err != nil {
		return nil, err
	}
	a := new(Wanted)
	if err := json.Unmarshal(plain, a); err != nil {
		return nil, fmt.Errorf("intake: a timer of an ask: %w: %w", err, otn.ErrStore)
	}
	return a, nil
}

// laterPrefix is where asks wait for the window of their person to open.
const laterPrefix = "later/"

// later is an ask that waits for a window.
type later struct {
	GiveUp time.Time `json:"give_up"`
	Body   []byte    `json:"body"` // a timer's
}

// Later is the document of an ask that is made when its person's window opens, if that is before GiveUp.
func (a *Wanted) Later(l *ledger.Ledger) (*ledger.Doc, error) {
	t, err := a.Timer(l, a.GiveUp)
	if err != nil {
		return nil, err
	}
	key := laterPrefix + strings.TrimPrefix(t.ID, AskTimer+"/")
	return &ledger.Doc{Key: key, Value: encode(later{a.GiveUp, t.Body}), Expect: ledger.Any}, nil
}

// opened makes the asks due that waited for a person's window.
func (w *writer) opened(p otn.PersonID) error {
	docs, err := w.in.Ledger.Docs(laterPrefix+p.String()+"/", "", asksAtOnce)
	if err != nil {
		return err
	}
	for _, d := range docs {
		var a later
		if err := json.Unmarshal(d.Value, &a); err != nil {
			return fmt.Errorf("an ask that waits: %w: %w", err, otn.ErrStore)
		}
		id := ledger.TimerID{Due: w.now, ID: AskTimer + "/" + strings.TrimPrefix(d.Key, laterPrefix)}
		w.batch.Timers = append(w.batch.Timers, ledger.Timer{TimerID: id, Kind: AskTimer, Body: a.Body})
		w.put(&ledger.Doc{Key: d.Key, Expect: ledger.Any})
	}
	return nil
}

// asksAtOnce bounds how many asks one opening makes due. The others come with the next.
const asksAtOnce = 16

// ask keeps an ask that is wanted. The same one again before it is carried out changes nothing.
func (w *writer) ask(a otn.Ask) error {
	switch {
	case a.Subscriber.ID == "" || len(a.Subscriber.ID) > MaxSubscriber:
		return fmt.Errorf("a subscriber's id has 1 to %d bytes: %w", MaxSubscriber, otn.ErrInvalid)
	case a.Ref == "" || len(a.Ref) > maxRef:
		return fmt.Errorf("what is asked for has 1 to %d bytes: %w", maxRef, otn.ErrInvalid)
	case utf8.RuneCountInString(a.Title) > otn.MaxAskTitle:
		return fmt.Errorf("the title has %d characters, %d at most: %w", utf8.RuneCountInString(a.Title), otn.MaxAskTitle, otn.ErrInvalid)
	}
	due := w.now
	if a.NotBefore.After(due) {
		due = a.NotBefore
	}
	wanted := Wanted{Channel: w.instance, Subscriber: a.Subscriber.ID, Title: strings.TrimSpace(a.Title), Ref: a.Ref, GiveUp: due.Add(otn.WindowLength)}
	timer, err := wanted.Timer(w.in.Ledger, due)
	if err != nil {
		return err
	}
	w.batch.Timers = append(w.batch.Timers, timer)
	return nil
}

// referral: whoever comes through a link that names a topic is asked about it, unless the rules say themselves who of them is.
func (w *writer) referral(r otn.Referral, at time.Time) error {
	byRule := func(a otn.AskRule) bool { return a.On == otn.Referred }
	if slices.ContainsFunc(w.in.Rules().Asks(), byRule) {
		return w.planReferred(r, w.moment(at))
	}
	_, known, err := w.in.Meaning(r.Ref)
	if err != nil || !known {
		w.in.Log.Debug("came through a link that names no known topic", "instance", w.instance)
		return err
	}
	return w.ask(otn.Ask{Subscriber: r.Subscriber, Ref: r.Ref})
}

// Meaning reads a ref, long or short, and reports whether it names a topic that the rules declare, with a subject where the topic wants one.
func (in *Intake) Meaning(text string) (otn.Ref, bool, error) {
	long, err := in.long(text)
	if err != nil {
		return otn.Ref{}, false, err
	}
	ref, ok := otn.ParseRef(long)
	if !ok {
		return otn.Ref{}, false, nil
	}
	topic, known := in.Rules().Topic(ref.Topic)
	return ref, known && (topic.Subject == otn.NoSubject) == (ref.Subject == ""), nil
}

// long is what a short ref stands for; any other text is itself.
func (in *Intake) long(text string) (string, error) {
	if !otn.IsShortRef(text) {
		return text, nil
	}
	doc, ok, err := in.Ledger.Doc(LinkPrefix + text)
	if err != nil || !ok {
		return text, err
	}
	return string(doc.Value), nil
}

// spelled gives a consent that came with a short ref the topic, the subject and the answers that the ref stands for.
func (w *writer) spelled(c *otn.Consent) error {
	if c.Topic != "" || !otn.IsShortRef(c.Ref) {
		return nil
	}
	ref, _, err := w.in.Meaning(c.Ref)
	if err != nil {
		return err
	}
	c.Topic, c.Subject = ref.Topic, ref.Subject
	for name, answer := range ref.Answers {
		c.Answers = append(c.Answers, otn.Named{Name: name, Value: otn.StringValue(answer)})
	}
	return nil
}
