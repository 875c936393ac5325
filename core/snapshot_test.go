// Full snapshots: what is missing, when it is gone, and what is not believed.

package core_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/otn"
)

func whole(items int) otn.Record { return otn.Record{Whole: &otn.Whole{Items: items}} }

// stocked is a source that tells what is in it, whole, at every poll.
type stocked struct {
	*shelf
	items string // names; one with a - before it is sold out
	same  bool
	asOf  time.Time // the version of all of them
}

// stall is a world with such a source.
func stall(w *world, items string) *stocked {
	s := &stocked{items: items}
	s.shelf = w.polled("feed", "0 * * * *", func(_ context.Context, cursor string, yield func(otn.Record) error) (string, error) {
		s.mu.Lock()
		same, items, asOf := s.same, s.items, s.asOf
		s.mu.Unlock()
		if same {
			return cursor, yield(otn.Record{Whole: &otn.Whole{Same: true}})
		}
		n := 0
		for _, name := range strings.Fields(items) {
			id, out := strings.CutPrefix(name, "-")
			item := otn.Item{ID: id, Known: otn.FactStock | otn.FactSellable | otn.FactPublished, Published: true, Sellable: !out}
			if !out {
				item.Stock = 3
			}
			if err := yield(otn.Record{Observation: &otn.Observation{AsOf: asOf, Item: &item}}); err != nil {
				return "", err
			}
			n++
		}
		return "seen", yield(whole(n))
	})
	return s
}

// stock changes what is in it, and repeat lets it say that nothing changed.
func (s *stocked) stock(items string) { s.alter(func() { s.same, s.items = false, items }) }
func (s *stocked) repeat(same bool)   { s.alter(func() { s.same = same }) }

// poll has the source polled once more.
func (w *world) poll() core.InstanceView {
	w.t.Helper()
	if _, err := w.host.PollNow(w.t.Context(), "feed", false); err != nil {
		w.t.Fatal(err)
	}
	w.after(time.Second)
	return w.source("feed")
}

// A snapshot that shrinks sharply is refused whole, the lamp says why and what to do, and the next good one fires nothing.
func TestP20_ASnapshotThatShrinksIsRefused(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		feed := stall(w, "coat hat mug")
		w.start()
		w.after(time.Second)
		want(t, "items", w.source("feed").Poll.Items, 3)
		w.grant("ann", "back", "hat")
		w.grant("bob", "back", "mug")
		w.grant("cat", "back", "coat")
		feed.stock("-coat")
		for range 5 {
			v := w.poll()
			want(t, "lamp", v.State, "degraded")
			want(t, "refused", v.Poll.Refused, true)
			if !strings.Contains(v.LastError, "2 of 3 items are missing") || !strings.Contains(v.LastError, "otn sources poll feed --accept") {
				t.Errorf("it says %q", v.LastError)
			}
		}
		feed.stock("coat hat mug")
		v := w.poll()
		want(t, "lamp after a good one", v.State, "ready")
		want(t, "changed by a good one", v.Poll.Changed, 0)
		w.after(time.Hour)
		want(t, "told", texts(shop), "")
	})
}

// What an operator accepts is taken, once.
func TestAcceptedSnapshotIsTaken(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		feed := stall(w, "coat hat mug")
		w.start()
		w.after(time.Second)
		feed.stock("coat")
		want(t, "lamp", w.poll().State, "degraded")
		if _, err := w.host.PollNow(t.Context(), "feed", true); err != nil {
			t.Fatal(err)
		}
		w.after(time.Second)
		v := w.source("feed")
		want(t, "lamp when it is accepted", v.State, "ready")
		want(t, "absent", v.Poll.Absent, 2)
		feed.stock("x1 x2 x3 x4")
		want(t, "the next one that shrinks", w.poll().State, "degraded")
	})
}

// An item counts as gone when it was missing in three snapshots in a row. Until then it is as it was, and one that comes
// back in time was never away. What is unchanged since the last snapshot counts as one more.
func TestP20_AbsenceCountsAfterThreeSnapshots(t *testing.T) {
	for _, same := range []bool{false, true} {
		bubble(t, func(t *testing.T, w *world) {
			shop := w.fake("shop")
			feed := stall(w, "coat hat mug cup jar")
			w.start()
			w.after(time.Second)
			w.grant("ann", "back", "hat")
			feed.stock("coat mug cup jar")
			for range 2 {
				v := w.poll()
				want(t, "absent", v.Poll.Absent, 1)
				want(t, "changed", v.Poll.Changed, 0)
				w.restart()
				feed.repeat(same)
			}
			feed.stock("coat hat mug cup jar")
			v := w.poll()
			want(t, "absent when it is back", v.Poll.Absent, 0)
			want(t, "changed when it is back", v.Poll.Changed, 0)
			want(t, "told when it is back in time", texts(shop), "")

			feed.stock("coat mug cup jar")
			w.poll()
			feed.repeat(same)
			w.poll()
			v = w.poll()
			want(t, "items", v.Poll.Items, 4)
			want(t, "absent when it is gone", v.Poll.Absent, 0)
			want(t, "changed when it is gone", v.Poll.Changed, 1)
			want(t, "changed by one more", w.poll().Poll.Changed, 0)
			feed.stock("coat hat mug cup jar")
			v = w.poll()
			want(t, "items when it is there again", v.Poll.Items, 5)
			want(t, "changed when it is there again", v.Poll.Changed, 1)
		})
	}
}

// An item that was gone and comes back as it was, with the version it had, can be bought again.
func TestGoneItemComesBackWithItsOldVersion(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		feed := stall(w, "coat hat mug cup jar")
		feed.asOf = time.Now().Add(-24 * time.Hour)
		w.start()
		w.after(time.Second)
		feed.stock("coat mug cup jar")
		for range 3 {
			w.poll()
		}
		feed.stock("coat hat mug cup jar")
		want(t, "changed", w.poll().Poll.Changed, 1)
	})
}

// An item that is gone can no longer be bought.
func TestGoneItemIsNotSellable(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		feed := stall(w, "coat hat mug cup jar")
		var seen []otn.Item
		w.rules = watcher{shopRules{text: "now"}, func(e otn.Event) {
			if e.Now.Item != nil && e.Now.Item.ID == "hat" {
				seen = append(seen, *e.Now.Item)
			}
		}}
		w.fake("shop")
		w.start()
		w.after(time.Second)
		w.grant("ann", "price-drop", "hat") // events are decided where somebody waits
		feed.stock("coat mug cup jar")
		for range 3 {
			w.poll()
		}
		if len(seen) != 1 || seen[0].Sellable || seen[0].Published || seen[0].Stock != 3 {
			t.Errorf("the hat was %+v", seen)
		}
	})
}

// watcher shows a test every event that the rules decide.
type watcher struct {
	shopRules
	see func(otn.Event)
}

func (r watcher) Match(e otn.Event, last func(string) (otn.Last, bool)) []otn.Match {
	r.see(e)
	return r.shopRules.Match(e, last)
}

// The first snapshot fires nothing, and neither does an item that appears later. A poll that repeats itself changes nothing.
func TestP4_FirstSightFiresNothing(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		feed := stall(w, "coat -hat")
		w.start()
		w.grant("ann", "back", "coat")
		w.grant("bob", "back", "cup")
		w.after(time.Second)
		feed.stock("coat -hat cup")
		v := w.poll()
		want(t, "changed", v.Poll.Changed, 1)
		want(t, "changed by the same again", w.poll().Poll.Changed, 0)
		want(t, "told", texts(shop), "")
		w.grant("cat", "back", "hat")
		feed.stock("coat hat cup")
		w.poll()
		want(t, "told of a crossing", texts(shop), "cat: now back ")
		w.poll()
		want(t, "told once", shop.calls(), 1)
	})
}

// Ids of any length that a source may think of end nothing.
func TestSnapshotWithOddIds(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		feed := stall(w, "coat "+strings.Repeat("x", 1000))
		w.start()
		w.after(time.Second)
		v := w.source("feed")
		want(t, "lamp", v.State, "ready")
		want(t, "notes", v.Poll.Notes, 1)
		feed.stock("coat coat")
		v = w.poll()
		want(t, "one item twice", v.State, "ready")
		want(t, "changed", v.Poll.Changed, 0)
		feed.stock("")
		want(t, "an empty one", w.poll().State, "ready") // one item is missing, which may be
		if _, err := w.host.PollNow(t.Context(), "", false); !errors.Is(err, otn.ErrNotFound) {
			t.Error(err)
		}
	})
}
