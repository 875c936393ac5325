// Doubts that a platform can be asked about: what it took is sent, what it never took waits again, and what it cannot tell stays a doubt.

package core_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// looker is a channel whose platform can be asked.
type looker struct {
	*channel
	found func(d otn.Delivery, nth int) error
	asked []string // when, and about whom
}

func (w *world) looker(single bool, found func(otn.Delivery, int) error) *looker {
	l := &looker{channel: &channel{can: otn.Capabilities{Sends: true, Lookups: true, SingleUseToken: single, MaxInFlight: 8}, account: "page"}, found: found}
	l.answer = func(_ otn.Delivery, nth int) error {
		if nth == 1 {
			return errLostAnswer
		}
		return nil
	}
	w.chans["shop"] = l
	return l
}

var (
	errLostAnswer = errors.New("the answer was lost")
	errNotTaken   = &otn.SendError{Outcome: otn.Deferred, Code: "not_found", Err: errors.New("the platform knows of no such message")}
)

func (l *looker) Lookup(_ context.Context, d otn.Delivery) (otn.Receipt, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked = append(l.asked, d.Subscriber.ID+" "+time.Now().UTC().Format("15:04"))
	if d.Message.Text != "" || d.Token.Reveal() == "" {
		return otn.Receipt{}, fmt.Errorf("asked about %+v", d)
	}
	return otn.Receipt{ProviderID: "found"}, l.found(d, len(l.asked))
}

func TestLookup(t *testing.T) {
	for name, c := range map[string]struct {
		single bool
		found  func(otn.Delivery, int) error
		state  string
		asked  string
		sends  int // in all
	}{
		"took it":                 {false, func(otn.Delivery, int) error { return nil }, "sent", "ann 00:01", 1},
		"took it, single use":     {true, func(otn.Delivery, int) error { return nil }, "sent", "ann 00:01", 1},
		"never took it":           {false, func(otn.Delivery, int) error { return errNotTaken }, "sent", "ann 00:01", 2},
		"never, single use":       {true, func(otn.Delivery, int) error { return errNotTaken }, "sent", "ann 00:01", 2},
		"cannot tell":             {false, func(otn.Delivery, int) error { return errLostAnswer }, "unknown", "ann 00:01, ann 00:06, ann 00:36, ann 02:36", 1},
		"refused":                 {false, func(otn.Delivery, int) error { return &otn.SendError{Outcome: otn.Refused} }, "unknown", "ann 00:01, ann 00:06, ann 00:36, ann 02:36", 1},
		"panics":                  {false, func(otn.Delivery, int) error { panic("s3cret") }, "unknown", "ann 00:01, ann 00:06, ann 00:36, ann 02:36", 1},
		"cannot tell, single use": {true, func(otn.Delivery, int) error { return errLostAnswer }, "sent", "ann 00:01", 2},
		"says so later":           {false, func(_ otn.Delivery, nth int) error { return []error{errLostAnswer, nil}[nth-1] }, "sent", "ann 00:01, ann 00:06", 1},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				shop := w.looker(c.single, c.found)
				w.start()
				w.waiting()
				ann := w.grant("ann", "price-drop", "coat")
				w.price("coat", "99.00 USD")
				w.after(24 * time.Hour)
				want(t, "state", w.state(ann.ID), c.state)
				want(t, "asked", strings.Join(shop.asked, ", "), c.asked)
				want(t, "sends", shop.calls(), c.sends)
				run := w.run()
				want(t, "run", run.State, "done")
				want(t, "counted", fmt.Sprint(run.Sent, run.Unknown), map[string]string{"sent": "1 0", "unknown": "0 1"}[c.state])
			})
		})
	}
}

// An attempt that may still be under way is not called never taken: after a kill the first word to that effect is not believed.
func TestLookupRightAfterAKill(t *testing.T) {
	breakable(t).bubble(t, func(f *fragile) {
		never := func(otn.Delivery, int) error { return errNotTaken }
		f.looker(false, never).answer = func(otn.Delivery, int) error {
			f.die(false)
			return nil
		}
		f.start()
		f.waiting()
		ann := f.grant("ann", "price-drop", "coat")
		f.price("coat", "99.00 USD")
		f.after(time.Second)
		after := f.looker(false, never)
		after.answer = nil
		f.rise()
		f.after(time.Second)
		want(f.t, "asked", len(after.asked), 1)
		want(f.t, "state when it was asked once", f.state(ann.ID), "unknown")
		f.after(time.Hour)
		want(f.t, "sent again in the end", texts(after.channel), "ann: now price-drop 99.00 USD")
		if times := slices.Compact(after.asked); len(times) < 2 {
			f.t.Errorf("asked at %v", times)
		}
		f.stop()
	})
}

// Who wants to hear no more while nobody can tell is not told again when it turns out that the message was never taken.
func TestStopWhileADoubtIsLookedUp(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.looker(false, func(otn.Delivery, int) error { return errNotTaken })
		w.start()
		w.waiting()
		ann := w.grant("ann", "price-drop", "coat")
		w.price("coat", "99.00 USD")
		w.after(time.Second)
		if _, err := w.host.Withdraw(t.Context(), ann.ID); err != nil {
			t.Fatal(err)
		}
		w.after(24 * time.Hour)
		want(t, "sends", shop.calls(), 1)
		want(t, "state", w.state(ann.ID), "withdrawn")
	})
}
