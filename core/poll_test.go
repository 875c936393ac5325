// Polled sources on virtual time: when they are asked, what a failure leaves, and what a restart remembers.

package core_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/dispatch"
	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// shelf is a source whose polls a test writes.
type shelf struct {
	answer func(ctx context.Context, cursor string, yield func(otn.Record) error) (string, error)

	mu      sync.Mutex // also orders what a test changes and what a poll reads: see alter
	at      []time.Time
	cursors []string
	inside  int
	most    int // polls at once
}

func (s *shelf) Poll(ctx context.Context, cursor string, yield func(otn.Record) error) (string, error) {
	s.mu.Lock()
	s.at, s.cursors = append(s.at, time.Now()), append(s.cursors, cursor)
	s.inside++
	s.most = max(s.most, s.inside)
	answer := s.answer
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.inside--
	}()
	return answer(ctx, cursor, yield)
}

// alter changes what the next poll finds.
func (s *shelf) alter(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// times are the moments of the polls, and forgets them.
func (s *shelf) times() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []string
	for _, at := range s.at {
		list = append(list, at.UTC().Format("02 15:04"))
	}
	s.at = nil
	return strings.Join(list, ", ")
}

// unchanged is a poll that finds nothing new.
func unchanged(_ context.Context, cursor string, _ func(otn.Record) error) (string, error) {
	return cursor, nil
}

// polled makes a source that is polled on a line.
func (w *world) polled(name, line string, answer func(context.Context, string, func(otn.Record) error) (string, error)) *shelf {
	s := &shelf{answer: answer}
	if w.polls == nil {
		w.polls = map[string]core.Poll{}
	}
	w.polls[name] = core.Poll{Line: line, Poller: s}
	return s
}

func (w *world) source(name string) core.InstanceView {
	w.t.Helper()
	_, sources := w.host.Instances(w.t.Context())
	i := slices.IndexFunc(sources, func(v core.InstanceView) bool { return v.Name == name })
	if i < 0 || sources[i].Poll == nil {
		w.t.Fatalf("no polled source %s in %+v", name, sources)
	}
	return sources[i]
}

func priced(id string, minor int64) otn.Record {
	return otn.Record{Observation: &otn.Observation{Item: &otn.Item{ID: id, Known: otn.FactPrice, Price: otn.Money{Minor: minor, Currency: "USD"}}}}
}

// A source that was never polled is polled at once, and then when its line says, in its zone.
func TestL9_PollsKeepTheirLineAndItsZone(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		feed, daily := w.polled("feed", "*/15 * * * *", unchanged), w.polled("daily", "0 9 * * *", unchanged)
		w.polls["daily"] = core.Poll{Line: "0 9 * * *", TZ: "America/New_York", Poller: daily}
		w.after(time.Minute) // the bubble's first day is 1 January 2000
		w.start()
		w.after(46 * time.Minute)
		want(t, "every quarter", feed.times(), "01 00:01, 01 00:15, 01 00:30, 01 00:45")
		w.after(24 * time.Hour)
		want(t, "at nine in New York", daily.times(), "01 00:01, 01 14:00")
		want(t, "the next", w.source("daily").Poll.Next.UTC().Format("02 15:04"), "02 14:00")
	})
}

// A store that was restored from a backup polls on, and purges what was erased before it was made.
func TestRestoredPollsOn(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.spy = &spy{}
		feed := w.polled("feed", "*/15 * * * *", unchanged)
		w.start()
		w.after(20 * time.Minute)
		w.stop()
		l := w.ledger()
		purge := ledger.Timer{TimerID: ledger.TimerID{Due: time.Now(), ID: dispatch.PurgeTimer + "/1"}, Kind: dispatch.PurgeTimer, Body: []byte("[]")}
		batch := &ledger.Batch{Docs: []*ledger.Doc{dispatch.RestoredDoc(time.Now())}, Timers: []ledger.Timer{purge}}
		if err := errors.Join(l.Commit(t.Context(), batch), l.Close()); err != nil {
			t.Fatal(err)
		}
		feed.times()
		w.after(24 * time.Hour)
		w.start()
		w.after(40 * time.Minute)
		want(t, "polls", feed.times(), "02 00:20, 02 00:30, 02 00:45, 02 01:00")
		want(t, "purges", w.spy.purges, 1)
		w.nothingIsLeft()
	})
}

// A restart forgets nothing, and what was missed meanwhile comes once.
func TestP24_MissedPollsComeOnce(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		feed := w.polled("feed", "0 * * * *", unchanged)
		w.start()
		w.after(90 * time.Minute)
		want(t, "polls", feed.times(), "01 00:00, 01 01:00")
		w.restart()
		w.after(time.Minute)
		want(t, "after a restart", feed.times(), "")
		w.stop()
		w.after(49 * time.Hour)
		w.start()
		w.after(time.Minute)
		want(t, "after two days", feed.times(), "03 02:31")
		w.after(time.Hour)
		want(t, "from then on", feed.times(), "03 03:00")

		w.stop()
		w.polls["feed"] = core.Poll{Line: "30 5 * * *", Poller: feed}
		w.start()
		w.after(24 * time.Hour)
		want(t, "with another line", feed.times(), "03 05:30")
	})
}

// A poll that takes longer than its line holds up nothing: no second one beside it, no other source, not the clock.
func TestL3_OnePollAtATime(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		slow := w.polled("slow", "*/5 * * * *", func(ctx context.Context, _ string, _ func(otn.Record) error) (string, error) {
			select {
			case <-time.After(12 * time.Minute):
				return "", nil
			case <-ctx.Done():
				return "", ctx.Err()
			}
		})
		quick := w.polled("quick", "*/5 * * * *", unchanged)
		w.start()
		w.waiting("ann")
		w.after(time.Minute)
		want(t, "polling", w.source("slow").Poll.Polling, true)
		for range 3 {
			if _, err := w.host.PollNow(t.Context(), "slow", false); err != nil {
				t.Fatal(err)
			}
		}
		_, err := w.host.Send(t.Context(), core.SendRequest{Topic: "price-drop", Subject: "coat", Message: otn.Message{Text: "hello"}, At: time.Now().Add(time.Minute)})
		if err != nil {
			t.Fatal(err)
		}
		w.after(2 * time.Minute)
		want(t, "sent meanwhile", texts(shop), "ann: hello")
		w.after(28 * time.Minute)
		want(t, "polls of the slow one", slow.times(), "01 00:00, 01 00:12, 01 00:25")
		want(t, "at once", slow.most, 1)
		want(t, "polls of the other", quick.times(), "01 00:00, 01 00:05, 01 00:10, 01 00:15, 01 00:20, 01 00:25, 01 00:30")
	})
}

// A poll that fails is tried again, rarer and rarer, leaves its error to see, and changes nothing else.
func TestFailingPollBacksOff(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		var broken error = errors.New("the server answers 500")
		feed := w.polled("feed", "*/5 * * * *", func(_ context.Context, cursor string, yield func(otn.Record) error) (string, error) {
			if err := yield(priced("coat", 9900)); err != nil {
				return "", err
			}
			return cursor + "x", broken
		})
		w.start()
		w.after(3*time.Hour - time.Second)
		want(t, "polls", feed.times(), "01 00:00, 01 00:01, 01 00:03, 01 00:07, 01 00:15, 01 00:31, 01 01:03, 01 02:03")
		v := w.source("feed")
		want(t, "lamp", v.State, "degraded")
		want(t, "error", v.LastError, "the server answers 500")
		want(t, "failures", v.Poll.Failures, 8)
		if items, _, _ := w.host.Consents(core.ConsentQuery{}); len(items) > 0 || strings.Join(feed.cursors, "") != "" {
			t.Errorf("the cursor moved: %q", feed.cursors)
		}
		w.restart()
		want(t, "failures after a restart", w.source("feed").Poll.Failures, 8)
		feed.alter(func() { broken = nil })
		w.after(time.Hour)
		v = w.source("feed")
		want(t, "lamp when it is well", v.State+v.LastError, "ready")
		want(t, "failures when it is well", v.Poll.Failures, 0)
		want(t, "changed", v.Poll.Changed, 0)

		feed.alter(func() {
			broken = &otn.SendError{Outcome: otn.Deferred, After: 3 * time.Hour, Err: errors.New("too many requests")}
		})
		w.after(5 * time.Minute)
		began := w.source("feed").Poll
		want(t, "as long as it is asked to wait", began.Next.Sub(began.Began), 3*time.Hour)
	})
}

// What fails half way is forgotten whole, and the cursor stays.
func TestPollThatFailsHalfWayChangesNothing(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		var broken error
		price := int64(12000)
		feed := w.polled("feed", "*/5 * * * *", func(_ context.Context, _ string, yield func(otn.Record) error) (string, error) {
			return "next", errors.Join(yield(priced("coat", price)), yield(otn.Record{Trigger: &otn.Trigger{Name: "post"}}), broken)
		})
		w.start()
		w.after(time.Second)
		w.grant("ann", "price-drop", "coat")
		w.grant("bob", "news", "")
		feed.alter(func() { price, broken = 9900, errors.New("connection reset") })
		w.after(5 * time.Minute)
		want(t, "told", texts(shop), "")
		feed.alter(func() { broken = nil })
		w.after(5 * time.Minute)
		want(t, "told when it is well", len(shop.accepted()), 2)
	})
}

// A panic, a hang and a flood end the poll and nothing else.
func TestPollerOutOfOrder(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(context.Context, string, func(otn.Record) error) (string, error)
		wrong  string
	}{
		"panics": {func(context.Context, string, func(otn.Record) error) (string, error) { panic("s3cret") }, "the poller panicked"},
		"hangs": {func(ctx context.Context, _ string, _ func(otn.Record) error) (string, error) {
			<-ctx.Done()
			return "", ctx.Err()
		}, "it took longer than 30m0s"},
		"a cursor": {func(context.Context, string, func(otn.Record) error) (string, error) {
			return strings.Repeat("x", 1<<20), nil
		}, "its cursor has 1048576 bytes"},
		"no end": {func(_ context.Context, _ string, yield func(otn.Record) error) (string, error) {
			return "", endless(yield)
		}, "too much for one poll, after 100000 records"},
		"two wholes": {func(_ context.Context, _ string, yield func(otn.Record) error) (string, error) {
			return "", errors.Join(yield(whole(0)), yield(whole(0)))
		}, "behind the mark of a full snapshot"},
		"lost items": {func(_ context.Context, _ string, yield func(otn.Record) error) (string, error) {
			return "", errors.Join(yield(priced("coat", 1)), yield(whole(2)))
		}, "a full snapshot of 2 items came with 1"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.polled("feed", "0 0 * * *", c.answer)
				well := w.polled("well", "*/5 * * * *", unchanged)
				w.start()
				w.after(30*time.Minute + time.Second)
				if v := w.source("feed"); v.State != "degraded" || !strings.Contains(v.LastError, c.wrong) || strings.Contains(v.LastError, "s3cret") {
					t.Errorf("it is %s: %q", v.State, v.LastError)
				}
				want(t, "polls of another", len(well.at), 7)
			})
		})
	}
}

func endless(yield func(otn.Record) error) error {
	for {
		if err := yield(otn.Record{Note: &otn.Note{Code: "more"}}); err != nil {
			return err
		}
	}
}

// One bad record does not stop the others, and is counted where the operator looks.
func TestL6_OneBadRecordDoesNotStopAPoll(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.polled("feed", "0 0 * * *", func(_ context.Context, _ string, yield func(otn.Record) error) (string, error) {
			bad := otn.Record{Observation: &otn.Observation{Item: &otn.Item{ID: "bad", Known: otn.FactLaunchAt}}}
			for n := range 450 {
				if err := yield(priced(fmt.Sprint("item-", n), 100)); err != nil {
					return "", err
				}
				if n == 225 {
					_ = yield(bad)
				}
			}
			return "", errors.Join(yield(bad), yield(otn.Record{Trigger: &otn.Trigger{Name: "undeclared"}}), yield(otn.Record{Note: &otn.Note{Text: "odd"}}))
		})
		w.start()
		w.after(time.Second)
		v := w.source("feed")
		want(t, "lamp", v.State, "ready")
		want(t, "changed", v.Poll.Changed, 450)
		want(t, "notes", v.Poll.Notes, 4)
		want(t, "the first", v.Poll.Note, "a record was refused; the log says why")
	})
}

func TestPollNow(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		feed := w.polled("feed", "0 0 * * *", unchanged)
		w.start()
		w.after(time.Hour)
		feed.times()
		v, err := w.host.PollNow(t.Context(), "feed", false)
		if err != nil || !v.Next.Equal(time.Now()) {
			t.Errorf("got %+v, %v", v, err)
		}
		w.after(23*time.Hour + time.Minute)
		want(t, "polls", feed.times(), "01 01:00, 02 00:00")
		if _, err := w.host.PollNow(t.Context(), "nobody", false); !errors.Is(err, otn.ErrNotFound) {
			t.Errorf("a source that is not there: %v", err)
		}
		// Asked for, and the daemon dies before it polls: the next one does.
		feed.alter(func() {
			feed.answer = func(ctx context.Context, _ string, _ func(otn.Record) error) (string, error) {
				<-ctx.Done()
				return "", ctx.Err()
			}
		})
		if _, err := w.host.PollNow(t.Context(), "feed", false); err != nil {
			t.Fatal(err)
		}
		w.after(time.Minute)
		feed.alter(func() { feed.answer = unchanged })
		w.restart()
		w.after(time.Minute)
		want(t, "polls of two daemons", feed.times(), "02 00:01, 02 00:02")
		want(t, "failures", w.source("feed").Poll.Failures, 0)
	})
}

func TestPollsThatCannotBe(t *testing.T) {
	feed := &shelf{answer: unchanged}
	for name, c := range map[string]core.Config{
		"no line":      {Polls: map[string]core.Poll{"feed": {Poller: feed}}},
		"a bad line":   {Polls: map[string]core.Poll{"feed": {Line: "every day", Poller: feed}}},
		"a bad zone":   {Polls: map[string]core.Poll{"feed": {Line: "@daily", TZ: "Mars/Olympus", Poller: feed}}},
		"nobody":       {Polls: map[string]core.Poll{"feed": {Line: "@daily"}}},
		"a channel":    {Polls: map[string]core.Poll{"shop": {Line: "@daily", Poller: feed}}, Channels: map[string]otn.Channel{"shop": &channel{}}},
		"an odd every": {Polls: map[string]core.Poll{"feed": {Line: "@every 5s", Poller: feed}}},
	} {
		c.Dir, c.Rules = "data", shopRules{}
		if _, err := core.New(c); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

// A Host that dies at any write of a poll: a trigger that the source yields is taken once, the price falls once, the
// cursor never runs ahead of what is on disk, and polling goes on.
func TestDeathAtEveryWriteOfAPoll(t *testing.T) {
	writes := dieInAPoll(t, death{})
	if writes < 20 {
		t.Fatalf("only %d writes: the scenario does nothing", writes)
	}
	for k := int64(1); k <= writes; k++ {
		for _, d := range []death{{at: k, unsynced: 100, marks: true}, {at: k}} {
			dieInAPoll(t, d)
		}
	}
}

func dieInAPoll(t *testing.T, d death) (writes int64) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		steps := map[string]string{"": "one", "one": "two", "two": "two"}
		feed := &shelf{answer: func(_ context.Context, cursor string, yield func(otn.Record) error) (string, error) {
			switch cursor {
			case "":
				return "one", errors.Join(yield(priced("coat", 12000)), yield(whole(1)))
			case "one":
				for n := range 250 { // two batches
					if err := yield(priced(fmt.Sprint("new-", n), 100)); err != nil {
						return "", err
					}
				}
				return "two", errors.Join(yield(priced("coat", 9900)), yield(otn.Record{Key: "p1", Trigger: &otn.Trigger{Name: "post"}}))
			}
			return steps[cursor], nil
		}}
		p := &platform{single: true, took: map[otn.TokenID]int{}, rules: shopRules{text: "now"}, polls: map[string]core.Poll{"feed": {Line: "*/5 * * * *", Poller: feed}}}
		key := ledger.NewKey()
		disk, marks := made(t)
		granted := 0
		disk, marks, writes = live(t, disk, marks, key, p, d, func(l *life, h *core.Host) {
			time.Sleep(time.Minute)
			synctest.Wait()
			for i, topic := range []string{"price-drop", "news", "news"} {
				c := otn.Consent{Token: otn.NewToken("page", fmt.Sprint("token", i)), Channel: "shop", Subscriber: otn.Subscriber{ID: "ann"}, Topic: topic}
				if topic == "price-drop" {
					c.Subject = "coat"
				}
				if _, err := h.Grant(context.Background(), c); err == nil && !l.isOver() {
					granted++
				}
			}
			time.Sleep(5 * time.Minute)
			synctest.Wait()
		})
		live(t, disk, marks, key, p, death{}, func(_ *life, h *core.Host) {
			time.Sleep(time.Hour)
			synctest.Wait()
			_, sources := h.Instances(t.Context())
			if v := sources[0].Poll; v.Failures > 0 || time.Since(v.Began) > 5*time.Minute || feed.cursors[len(feed.cursors)-1] != "two" {
				t.Errorf("%+v: polling does not go on: %+v", d, v)
			}
		})
		p.mu.Lock()
		defer p.mu.Unlock()
		told := p.took[otn.NewToken("page", "token0").ID()]
		news := p.took[otn.NewToken("page", "token1").ID()] + p.took[otn.NewToken("page", "token2").ID()]
		if told > 1 || news > 1 || granted == 3 && (told != 1 || news != 1) {
			t.Errorf("%+v: with %d consents acknowledged, told of the price %d times, of the news %d times", d, granted, told, news)
		}
	})
	return writes
}
