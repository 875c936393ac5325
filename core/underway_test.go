// What an overview reads: open runs, waiting lists, the calendar, the end of the journal; each as it is, and bounded.

package core_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/otn"
)

// Runs are open until they are done or cancelled, also after a restart; the newest comes first, and others are not read.
func TestOpenRuns(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		shop.answer = func(otn.Delivery, int) error {
			return &otn.SendError{Outcome: otn.Deferred, Scope: otn.ChannelScope, After: 24 * time.Hour, Err: errors.New("later")}
		}
		w.start()
		open := func() string {
			t.Helper()
			runs, err := w.host.OpenRuns(2)
			if err != nil {
				t.Fatal(err)
			}
			var list []string
			for _, r := range runs {
				list = append(list, r.Subject+" "+r.State)
			}
			return strings.Join(list, ", ")
		}
		want(t, "at first", open(), "")
		for _, item := range []string{"coat", "hat", "shoe"} {
			w.price(item, "120.00 USD")
			w.grant("ann", "price-drop", item)
			w.price(item, "99.00 USD")
			w.after(2 * time.Second)
		}
		if got := open(); !strings.HasPrefix(got, "shoe ") || !strings.Contains(got, ", hat ") || strings.Contains(got, "coat") {
			t.Errorf("open: %s", got)
		}
		w.restart()
		if got := open(); !strings.HasPrefix(got, "shoe ") {
			t.Errorf("after a restart: %s", got)
		}
		runs, _, err := w.host.Runs(core.RunQuery{})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range runs {
			if _, err := w.host.CancelRun(context.Background(), r.ID); err != nil {
				t.Error(err)
			}
		}
		want(t, "when all are cancelled", open(), "")
	})
}

// The longest waiting lists come first, with what the shop calls their subjects, and the others are counted.
func TestDemand(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.fake("shop")
		w.start()
		title := otn.Item{ID: "hat", Title: "Felt hat", Known: otn.FactTitle}
		w.observe(title)
		for item, n := range map[string]int{"coat": 2, "hat": 3, "shoe": 1, "sock": 2} {
			for i := range n {
				w.grant(fmt.Sprint("p", i), "price-drop", item)
			}
		}
		list, lists, err := w.host.Demand("price-drop", 3)
		want(t, "demand", fmt.Sprint(list, lists, err), "[{hat Felt hat 3 0} {coat  2 0} {sock  2 0}] 4 <nil>")
		n, err := w.host.Waiting("price-drop", "hat")
		want(t, "for the hat", fmt.Sprint(n, err), "3 <nil>")
		list, lists, err = w.host.Demand("news", 3)
		want(t, "of a topic that nobody waits for", fmt.Sprint(list, lists, err), "[] 0 <nil>")
	})
}

// The calendar has each rule's next times, sends for later and runs that go on by themselves, earliest first, up to its end.
func TestCalendar(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.fake("shop")
		w.polled("feed", "0 * * * *", func(context.Context, string, func(otn.Record) error) (string, error) { return "", nil })
		w.start()
		w.after(time.Minute)
		w.grant("ann", "news", "")
		at := time.Now().Add(30 * time.Hour)
		if _, err := w.host.Send(context.Background(), core.SendRequest{Topic: "news", Message: otn.Message{Text: "it begins"}, At: at}); err != nil {
			t.Fatal(err)
		}
		list, err := w.host.Calendar(time.Now().Add(48 * time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for i, u := range list {
			got = append(got, u.Kind+" "+u.Rule+u.Source)
			if i > 0 && u.At.Before(list[i-1].At) {
				t.Errorf("%v comes before %v", list[i-1], u)
			}
			if u.Kind == "send" && (!u.At.Equal(at) || u.Run == "") {
				t.Errorf("the send is %+v", u)
			}
		}
		want(t, "kinds", kinds(got), "cron late x2, poll feed x1, send x1")
		near, err := w.host.Calendar(time.Now().Add(time.Minute))
		want(t, "of one minute", fmt.Sprint(near, err), "[] <nil>")
	})
}

// kinds counts what begins alike, in the order of the alphabet; an operator's send has a rule of its own.
func kinds(list []string) string {
	n := map[string]int{}
	for _, k := range list {
		if strings.HasPrefix(k, "send ") {
			k = "send"
		}
		n[k]++
	}
	var out []string
	for _, k := range slices.Sorted(maps.Keys(n)) {
		out = append(out, fmt.Sprintf("%s x%d", k, n[k]))
	}
	return strings.Join(out, ", ")
}

// The journal reads from its end in pages that meet: no entry is missing, and none comes twice.
func TestJournalBefore(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.fake("shop")
		w.start()
		for i := range 25 {
			w.price(fmt.Sprint("item", i), "99.00 USD")
			w.grant(fmt.Sprint("p", i), "price-drop", fmt.Sprint("item", i))
		}
		var seqs []uint64
		kindsOf := map[string]int{}
		for before := ""; ; {
			list, next, err := w.host.JournalBefore(before, 7)
			if err != nil || len(list) > 7 {
				t.Fatal(len(list), err)
			}
			for _, r := range list {
				seqs = append(seqs, r.Seq)
				kindsOf[r.Kind]++
				if strings.Contains(string(r.Body), `"p1"`) {
					t.Errorf("the journal names a person: %s", r.Body)
				}
			}
			if next == "" {
				break
			}
			before = next
		}
		for i := 1; i < len(seqs); i++ {
			if seqs[i] >= seqs[i-1] {
				t.Fatalf("%d stands behind %d", seqs[i], seqs[i-1])
			}
		}
		want(t, "consents", kindsOf["grant"], 25)
		want(t, "changes", kindsOf["item.changed"], 25)
		if _, _, err := w.host.JournalBefore("x", 7); !errors.Is(err, otn.ErrInvalid) {
			t.Errorf("a cursor that is none: %v", err)
		}
		list, next, err := w.host.JournalBefore("1", 7)
		want(t, "before the first", fmt.Sprint(list, next, err), "[]<nil>")
	})
}
