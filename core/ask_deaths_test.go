// The Host dies at every write around an ask and around what is said after a consent: nobody is asked or told twice, and
// what was promised happens, unless nobody can tell whether it did.

package core_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// Ask asks on the far side of the crash. Whoever is called cat is put off the first time.
func (l *life) Ask(_ context.Context, a otn.Ask) (otn.Receipt, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return otn.Receipt{}, errors.New("dead")
	}
	who := a.Subscriber.ID
	if l.tries[who]++; who == "cat" && l.tries[who] == 1 {
		return otn.Receipt{}, deferred(time.Minute, otn.MessageScope)
	}
	l.asked[who]++
	return otn.Receipt{ProviderID: "m"}, nil
}

// Receive yields what the test wants the webhook to hold.
func (l *life) Receive(context.Context, otn.Request) (otn.Response, []otn.Record, error) {
	return otn.Response{}, l.records, nil
}

// hears has the Host hear records over its webhook, and reports whether that was acknowledged in this life.
func (l *life) hears(h *core.Host, records ...otn.Record) bool {
	l.records = records
	w := httptest.NewRecorder()
	h.Hooks().ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/hooks/shop", strings.NewReader("x")))
	return w.Code == http.StatusOK && !l.isOver()
}

func TestDeathAtEveryWriteOfAnAsk(t *testing.T) {
	writes := dieAsking(t, death{})
	if writes < 30 {
		t.Fatalf("only %d writes: the scenario does nothing", writes)
	}
	for k := int64(1); k <= writes; k++ {
		for _, d := range []death{{unsynced: 100, marks: true}, {unsynced: 0}, {unsynced: 50}} {
			d.at = k
			dieAsking(t, d)
		}
	}
}

// dieAsking lives twice: the first Host dies, the second has the rest of the day.
func dieAsking(t *testing.T, d death) (writes int64) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		rules := asking{shopRules: shopRules{text: "now"}, then: map[string]string{"news": "Soon."}, asks: []otn.AskRule{
			{ID: "late", Topic: "news", On: otn.WindowOpened, After: time.Hour}, {ID: "link", On: otn.Referred},
		}}
		p := &platform{single: true, took: map[otn.TokenID]int{}, asked: map[string]int{}, said: map[string]int{}, tries: map[string]int{}, rules: rules}
		key := ledger.NewKey()
		disk, marks := made(t)
		heard := map[string]bool{}
		disk, marks, writes = live(t, disk, marks, key, p, d, func(l *life, h *core.Host) {
			heard["ann"] = l.hears(h, opening("ann"), opening("bob"))
			heard["cat"] = l.hears(h, opening("cat"), came("cat", "notify.late.coat"))
			heard["bob"] = l.hears(h, given("bob", "t1")) && heard["ann"]
			time.Sleep(30 * time.Minute)
			l.hears(h, opening("ann")) // moves it
			time.Sleep(90 * time.Minute)
			synctest.Wait()
		})
		live(t, disk, marks, key, p, death{}, func(l *life, h *core.Host) {
			time.Sleep(20 * time.Hour)
			synctest.Wait()
			for _, sub := range []string{"ann", "bob", "cat"} {
				asks := 1
				if sub == "cat" { // the link, and news
					asks = 2
				}
				open := l.open(t, h, sub)
				switch n := p.asked[sub]; {
				case sub == "bob": // who agreed before
				case n > asks, heard[sub] && n+open < asks:
					t.Errorf("%+v: %s was asked %d times, want %d, and %d are in doubt", d, sub, n, asks, open)
				}
				if n := p.said[sub]; n > 1 || sub == "bob" && heard["bob"] && n+open == 0 {
					t.Errorf("%+v: %s was told %d times after the consent, %d are in doubt", d, sub, n, open)
				}
			}
			if heard["bob"] && p.asked["bob"] > 0 {
				t.Errorf("%+v: bob was asked although he had agreed", d)
			}
		})
	})
	return writes
}

// open counts what nobody can tell about somebody.
func (l *life) open(t *testing.T, h *core.Host, sub string) (n int) {
	t.Helper()
	why, err := h.Why("shop", sub, "")
	if err != nil && !errors.Is(err, otn.ErrNotFound) {
		t.Error(err)
	}
	for _, r := range why.Reasons {
		if r.Verdict == "unknown" {
			n++
		}
	}
	return n
}
