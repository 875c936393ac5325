// The Host end to end, on virtual time: consents in, an event decides, one message out, whatever the channel answers.

package core_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/ledger/pebble"
	"github.com/onetimenotify/otn/core/otn"
)

// world is a Host in a bubble of virtual time, with one or more fake channels, over a disk that outlives it.
type world struct {
	t     *testing.T
	disk  vfs.FS
	marks *pebble.Memory
	key   otn.Secret
	rules otn.Rules
	chans map[string]otn.Channel
	rates map[string]float64
	polls map[string]core.Poll
	clock core.Clock // nil: the bubble's
	zone  *time.Location
	spy   *spy // nil: nobody looks on
	meter otn.Meter
	keep  core.Retention
	wrap  func(ledger.Engine) ledger.Engine // nil: the engine as it is
	dies  bool                              // its Host may end with an error
	host  *core.Host
	stop  func()
}

func bubble(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, disk: vfs.NewMem(), marks: pebble.NewMemory(), key: ledger.NewKey(), rules: shopRules{text: "now"}, chans: map[string]otn.Channel{}}
		test(t, w)
		if w.stop != nil {
			w.stop()
		}
	})
}

func (w *world) start() {
	w.t.Helper()
	engine, err := pebble.Open("data", pebble.Options{FS: w.disk, Marks: w.marks, Still: true})
	if err != nil {
		w.t.Fatal(err)
	}
	if w.wrap != nil {
		engine = w.wrap(engine)
	}
	host, err := core.New(core.Config{Engine: w.spy.on(engine), Key: w.key, Rules: w.rules, Channels: w.chans, Rates: w.rates, Polls: w.polls, Clock: w.clock, Zone: w.zone, Keep: w.keep, Meter: w.meter})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- host.Run(ctx) }()
	select {
	case <-host.Ready():
	case err := <-ended:
		w.t.Fatal(err)
	}
	w.host = host
	w.stop = func() {
		cancel()
		if err := <-ended; err != nil && !w.dies {
			w.t.Error(err)
		}
		w.stop = nil
	}
}

func (w *world) restart() {
	w.stop()
	w.start()
}

// fake makes a channel that takes everything, unless the test says otherwise.
func (w *world) fake(name string) *channel {
	c := &channel{can: otn.Capabilities{Sends: true, MaxInFlight: 8}, account: "page"}
	w.chans[name] = c
	return c
}

func (w *world) grant(sub, topic, subject string, answers ...otn.Named) core.Granted {
	w.t.Helper()
	return w.grantToken(sub, topic, subject, "token-"+sub+"-"+topic+"-"+subject, answers...)
}

func (w *world) grantToken(sub, topic, subject, token string, answers ...otn.Named) core.Granted {
	w.t.Helper()
	g, err := w.host.Grant(context.Background(), otn.Consent{
		Token: otn.NewToken("page", token), Channel: "shop", Subscriber: otn.Subscriber{ID: sub},
		Topic: topic, Subject: subject, Answers: answers,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return g[0]
}

func (w *world) price(id, amount string) {
	w.t.Helper()
	m, err := otn.ParseMoney(amount)
	if err != nil {
		w.t.Fatal(err)
	}
	w.observe(otn.Item{ID: id, Known: otn.FactPrice, Price: m})
}

func (w *world) stock(id string, n int64) {
	w.t.Helper()
	w.observe(otn.Item{ID: id, Known: otn.FactStock, Stock: n})
}

func (w *world) observe(i otn.Item) {
	w.t.Helper()
	if _, err := w.host.Observe(context.Background(), otn.Observation{Item: &i}); err != nil {
		w.t.Fatal(err)
	}
}

// after lets time pass; everything that becomes due happens.
func (w *world) after(d time.Duration) {
	time.Sleep(d) // virtual
	synctest.Wait()
}

func (w *world) state(id string) string {
	w.t.Helper()
	c, err := w.host.Consent(id)
	if err != nil {
		w.t.Fatal(err)
	}
	return c.State
}

func (w *world) run() core.RunView {
	w.t.Helper()
	runs, _, err := w.host.Runs(core.RunQuery{})
	if err != nil || len(runs) == 0 {
		w.t.Fatalf("runs: %v, %v", runs, err)
	}
	return runs[0]
}

func want[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func texts(c *channel) string {
	var list []string
	for _, s := range c.accepted() {
		list = append(list, s.Subscriber.ID+": "+s.Message.Text)
	}
	return strings.Join(list, "; ")
}

func target(amount string) otn.Named {
	m, err := otn.ParseMoney(amount)
	if err != nil {
		panic(err)
	}
	return otn.Named{Name: "target", Value: otn.MoneyValue(m)}
}

func TestPriceDropTellsWhomItShould(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		shop.can.MaxInFlight = 1
		w.start()
		w.price("coat", "120.00 USD")
		ann := w.grant("ann", "price-drop", "coat", target("100.00 USD"))
		bob := w.grant("bob", "price-drop", "coat", target("80.00 USD"))
		cat := w.grant("cat", "price-drop", "coat")
		w.grant("dan", "price-drop", "hat")
		w.price("coat", "99.00 USD")
		w.after(time.Second)
		want(t, "told", texts(shop), "ann: now price-drop 99.00 USD; cat: now price-drop 99.00 USD")
		want(t, "ann", w.state(ann.ID), "sent")
		want(t, "bob", w.state(bob.ID), "waiting")
		want(t, "cat", w.state(cat.ID), "sent")
		run := w.run()
		want(t, "run", run.State, "done")
		want(t, "seen", run.Seen, 3)
		want(t, "sent", run.Sent, 2)

		why, err := w.host.Why("shop", "bob", "")
		if err != nil {
			t.Fatal(err)
		}
		last := why.Reasons[len(why.Reasons)-1]
		want(t, "verdict", last.Verdict, "no")
		want(t, "because", last.Because, "not as cheap as 80.00 USD")

		w.restart()
		w.after(time.Hour)
		want(t, "calls after a restart", shop.calls(), 2)
		w.price("coat", "79.00 USD")
		w.after(time.Second)
		want(t, "bob", w.state(bob.ID), "sent")
		want(t, "calls", shop.calls(), 3)
	})
}

func TestGrantIsOnce(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.fake("shop")
		w.start()
		want(t, "first", w.grant("ann", "news", "").Added, true)
		want(t, "again", w.grant("ann", "news", "").Added, false)
		for _, c := range []struct {
			consent otn.Consent
			err     error
		}{
			{otn.Consent{Channel: "shop", Topic: "news", Subscriber: otn.Subscriber{ID: "x"}}, otn.ErrNoToken},
			{otn.Consent{Channel: "shop", Topic: "nothing", Subscriber: otn.Subscriber{ID: "x"}, Token: otn.NewToken("page", "1")}, otn.ErrUnknownTopic},
			{otn.Consent{Channel: "nowhere", Topic: "news", Subscriber: otn.Subscriber{ID: "x"}, Token: otn.NewToken("page", "2")}, otn.ErrNotFound},
			{otn.Consent{Channel: "shop", Topic: "back", Subscriber: otn.Subscriber{ID: "x"}, Token: otn.NewToken("page", "3")}, otn.ErrInvalid},
			{otn.Consent{Channel: "shop", Topic: "news", Token: otn.NewToken("page", "4")}, otn.ErrInvalid},
			{otn.Consent{Channel: "shop", Topic: "news", Token: otn.NewToken("page", "5 "), Subscriber: otn.Subscriber{ID: "x"}}, otn.ErrInvalid},
			{otn.Consent{Channel: "shop", Topic: "news", Token: otn.NewToken("page", "\t5"), Subscriber: otn.Subscriber{ID: "x"}}, otn.ErrInvalid},
			{otn.Consent{Channel: "shop", Topic: "news", Token: otn.NewToken("page", "6"), Subscriber: otn.Subscriber{ID: " x"}}, otn.ErrInvalid},
			{otn.Consent{Channel: "shop", Topic: "back", Token: otn.NewToken("page", "7"), Subscriber: otn.Subscriber{ID: "x"}, Subject: "coat "}, otn.ErrInvalid},
		} {
			if _, err := w.host.Grant(context.Background(), c.consent); !errors.Is(err, c.err) {
				t.Errorf("%v, want %v", err, c.err)
			}
		}
	})
}

// A state rule tells each person when it becomes true for them, and nobody twice.
func TestStateBecomesTruePerConsent(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		w.start()
		w.stock("coat", 0)
		w.grant("one", "back", "coat", otn.Named{Name: "quantity", Value: otn.IntValue(1)})
		w.grant("three", "back", "coat", otn.Named{Name: "quantity", Value: otn.IntValue(3)})
		w.stock("coat", 1)
		w.after(time.Second)
		want(t, "told", texts(shop), "one: now back ")
		w.grant("late", "back", "coat") // it holds already: no news
		w.stock("coat", 5)
		w.after(time.Second)
		want(t, "told", texts(shop), "one: now back ; three: now back ")
		w.stock("coat", 0)
		w.stock("coat", 2)
		w.after(time.Second)
		want(t, "told", texts(shop), "one: now back ; three: now back ; late: now back ")
	})
}

// A cron line compares with the moment at which the line began to wait, and with its own last look.
func TestCronDecides(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		w.start()
		w.stock("coat", 0)
		w.grant("ann", "late", "coat")
		w.after(time.Minute)
		w.stock("coat", 3) // the rule is on nothing but its cron line
		w.after(time.Minute)
		want(t, "told before the line", texts(shop), "")
		w.after(24 * time.Hour)
		want(t, "told", texts(shop), "ann: now late ")
		w.grant("bob", "late", "coat")
		w.restart()
		w.after(72 * time.Hour)
		want(t, "told", texts(shop), "ann: now late ")
	})
}

func TestTriggerTellsATopicOrOnePerson(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		shop.can.MaxInFlight = 1
		w.start()
		w.grant("ann", "news", "")
		w.grant("bob", "news", "")
		w.grant("cat", "news", "")
		ctx := context.Background()
		one := otn.Trigger{Name: "post", Channel: "shop", Subscriber: otn.Subscriber{ID: "bob"}, Key: "k1"}
		first, err := w.host.Trigger(ctx, one)
		if err != nil || first.Duplicate {
			t.Fatal(first, err)
		}
		again, err := w.host.Trigger(ctx, one)
		if err != nil || !again.Duplicate {
			t.Fatal(again, err)
		}
		w.after(time.Second)
		want(t, "told", texts(shop), "bob: now news")
		if _, err := w.host.Trigger(ctx, otn.Trigger{Name: "post"}); err != nil {
			t.Fatal(err)
		}
		w.after(time.Second)
		want(t, "told", texts(shop), "bob: now news; ann: now news; cat: now news")
		if _, err := w.host.Trigger(ctx, otn.Trigger{Name: "nothing"}); !errors.Is(err, otn.ErrNotFound) {
			t.Fatal(err)
		}
	})
}

// One person gets one message a run, by the consent that expires first; the other is tried only where that one was refused.
func TestP12_OneMessagePerPersonAndRun(t *testing.T) {
	for _, refuse := range []bool{false, true} {
		bubble(t, func(t *testing.T, w *world) {
			shop := w.fake("shop")
			shop.answer = func(d otn.Delivery, _ int) error {
				if refuse && d.Token.Reveal() == "older" {
					return &otn.SendError{Outcome: otn.Refused, Code: "gone"}
				}
				return nil
			}
			w.start()
			w.price("coat", "120.00 USD")
			w.grantToken("ann", "price-drop", "coat", "older")
			w.after(time.Hour)
			w.grantToken("ann", "price-drop", "coat", "newer")
			w.price("coat", "99.00 USD")
			w.after(3 * time.Second)
			if refuse {
				want(t, "calls", shop.calls(), 2)
				want(t, "told", len(shop.accepted()), 1)
				return
			}
			want(t, "calls", shop.calls(), 1)
			want(t, "token", shop.sent[0].Token.Reveal(), "older")
			w.price("coat", "90.00 USD")
			w.after(time.Second)
			want(t, "calls", shop.calls(), 2)
		})
	}
}

// So it is where their consents come to different pages, and where the run begins again in the middle.
func TestOneMessageOverPages(t *testing.T) {
	for _, restarts := range []bool{false, true} {
		bubble(t, func(t *testing.T, w *world) {
			shop := w.fake("shop")
			w.rates = map[string]float64{"shop": 1} // one consent a page
			w.start()
			w.price("coat", "120.00 USD")
			w.grantToken("ann", "price-drop", "coat", "first")
			w.grant("bob", "price-drop", "coat")
			w.grantToken("ann", "price-drop", "coat", "second")
			w.price("coat", "99.00 USD")
			w.after(1500 * time.Millisecond)
			if restarts {
				w.restart()
			}
			w.after(time.Minute)
			want(t, "told", whom(shop), "ann bob")
			for _, s := range shop.accepted() {
				want(t, "by her second", s.Token.Reveal() == "second", false)
			}
		})
	}
}

func TestSendNowAndLater(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		shop.can.MaxInFlight = 1
		w.start()
		w.grant("ann", "back", "coat")
		w.grant("bob", "back", "hat")
		w.grant("cat", "news", "")
		ctx := t.Context()
		message := otn.Message{Text: "hello"}
		dry, err := w.host.Send(ctx, core.SendRequest{Topic: "back", AllSubjects: true, Message: message, DryRun: true})
		if err != nil {
			t.Fatal(err)
		}
		want(t, "reaches", dry.Reaches, 2)
		w.after(time.Minute)
		want(t, "calls of a dry run", shop.calls(), 0)

		now, err := w.host.Send(ctx, core.SendRequest{Topic: "back", Subject: "coat", Message: message, Key: "K"})
		if err != nil {
			t.Fatal(err)
		}
		again, err := w.host.Send(ctx, core.SendRequest{Topic: "back", Subject: "coat", Message: message, Key: "K"})
		if err != nil || !again.Duplicate {
			t.Fatal(again, err)
		}
		w.after(time.Second)
		want(t, "told", texts(shop), "ann: hello")
		want(t, "run", w.run().ID, now.Runs[0])

		later, err := w.host.Send(ctx, core.SendRequest{Topic: "news", Message: message, At: time.Now().Add(48 * time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		want(t, "a run that waits", w.run().ID, later.Runs[0])
		want(t, "its state", w.run().State, "waiting")
		w.restart()
		want(t, "its state after a restart", w.run().State, "waiting")
		w.after(47 * time.Hour)
		want(t, "told", texts(shop), "ann: hello")
		w.after(2 * time.Hour)
		want(t, "told", texts(shop), "ann: hello; cat: hello")
		want(t, "the same run", w.run().ID, later.Runs[0])
		want(t, "its state", w.run().State, "done")

		for _, bad := range []core.SendRequest{
			{Topic: "back", Message: message},
			{Topic: "news", Subject: "coat", Message: message},
			{Topic: "news", Message: message, At: time.Now().Add(-time.Hour)},
		} {
			if _, err := w.host.Send(ctx, bad); !errors.Is(err, otn.ErrInvalid) {
				t.Errorf("%+v: %v", bad, err)
			}
		}
		if _, err := w.host.Send(ctx, core.SendRequest{Topic: "no", Message: message}); !errors.Is(err, otn.ErrUnknownTopic) {
			t.Error(err)
		}
	})
}

// A stop settles what was handed over, and leaves the rest to the next Host.
func TestStopInTheMiddle(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		shop.can.Rate, shop.can.MaxInFlight = 10, 2
		shop.answer = func(otn.Delivery, int) error { time.Sleep(50 * time.Millisecond); return nil }
		w.start()
		w.price("coat", "120.00 USD")
		for i := range 50 {
			w.grant(fmt.Sprintf("p%d", i), "price-drop", "coat")
		}
		w.price("coat", "99.00 USD")
		for range 20 {
			w.after(270 * time.Millisecond)
			w.restart()
		}
		w.after(time.Minute)
		want(t, "calls", shop.calls(), 50)
		want(t, "sent", w.run().Sent, 50)
		want(t, "unknown", w.run().Unknown, 0)
	})
}
