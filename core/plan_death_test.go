// Deaths of a Host whose runs are held, told in waves, at hours and in galleries: at every write that it makes.

package core_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// waveSize and waveEvery are those of the rule whose Host dies.
const (
	waveSize  = 3
	waveEvery = 10 * time.Minute
	slack     = 3 * time.Second // a wave that begins on time may be told, in part, when the dead are risen
)

// A Host that dies anywhere between the event and the last wave: everybody is told once, nobody before the hold ends and
// the hours begin, and no wave tells more than its size.
func TestDeathUnderAPlan(t *testing.T) {
	writes := dieInPlan(t, true, death{})
	if writes < 20 {
		t.Fatalf("only %d writes: the scenario does nothing", writes)
	}
	for _, single := range []bool{true, false} {
		for k := int64(1); k <= writes; k++ {
			dieInPlan(t, single, death{at: k, unsynced: 100, marks: true})
			dieInPlan(t, single, death{at: k})
		}
	}
}

func dieInPlan(t *testing.T, single bool, d death) (writes int64) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		rules := plans("back", otn.Plan{Hold: 2 * time.Minute, Every: waveEvery, Hours: otn.Hours{From: 9 * 60, To: 21 * 60, TZ: "UTC"}})
		rules.size = fixed(waveSize)
		p := &platform{single: single, took: map[otn.TokenID]int{}, rules: rules}
		key := ledger.NewKey()
		disk, marks := made(t)
		time.Sleep(8*time.Hour + 56*time.Minute)
		var granted []otn.TokenID
		rose := false
		disk, marks, writes = live(t, disk, marks, key, p, d, func(l *life, h *core.Host) { granted, rose = l.rise(h) })
		time.Sleep(2 * time.Second)
		live(t, disk, marks, key, p, death{}, func(l *life, h *core.Host) {
			time.Sleep(2 * time.Hour)
			synctest.Wait()
			for _, id := range granted {
				if c, err := h.Consent(id.String()); rose && (err != nil || c.State == "waiting") {
					t.Errorf("%+v, single use %v: it rose, and %s is %s, %v", d, single, id, c.State, err)
				}
			}
			paced(t, p, d)
			finished(t, h, d)
			l.stock(h, 0)
			l.stock(h, 5)
			time.Sleep(24 * time.Hour)
			synctest.Wait()
			audit(t, h, p, granted, d)
		})
	})
	return writes
}

// rise is a life in which seven people wait and something comes in; it ends after the last wave. It returns what was acknowledged.
func (l *life) rise(h *core.Host) (granted []otn.TokenID, rose bool) {
	if !l.stock(h, 0) {
		return nil, false
	}
	for i := range 7 {
		c := otn.Consent{Token: otn.NewToken("page", fmt.Sprint("token", i)), Channel: "shop", Subscriber: otn.Subscriber{ID: fmt.Sprint("p", i)}, Topic: "back", Subject: "coat"}
		if _, err := h.Grant(context.Background(), c); err != nil || l.isOver() {
			return granted, false
		}
		granted = append(granted, c.Token.ID())
	}
	rose = l.stock(h, 5)
	for range 40 {
		time.Sleep(time.Minute)
		synctest.Wait()
		if l.isOver() {
			break
		}
	}
	return granted, rose
}

func (l *life) stock(h *core.Host, n int64) bool {
	_, err := h.Observe(context.Background(), otn.Observation{Item: &otn.Item{ID: "coat", Known: otn.FactStock, Stock: n}})
	return err == nil && !l.isOver()
}

// paced checks when messages went out: not before nine, and no more than a wave's size until the next one.
func paced(t *testing.T, p *platform, d death) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	slices.SortFunc(p.at, time.Time.Compare)
	begin, n := time.Time{}, 0
	for _, at := range p.at {
		if at.UTC().Hour() < 9 {
			t.Errorf("%+v: a message at %s", d, at.UTC().Format(time.TimeOnly))
		}
		if begin.IsZero() || at.Sub(begin) >= waveEvery-slack {
			begin, n = at, 0
		}
		if n++; n > waveSize {
			t.Errorf("%+v, single use %v: %d messages in one wave: %v", d, p.single, n, p.at)
		}
	}
}

// finished checks that no run is left open.
func finished(t *testing.T, h *core.Host, d death) {
	t.Helper()
	runs, _, err := h.Runs(core.RunQuery{})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range runs {
		if r.State != "done" {
			t.Errorf("%+v: a run of %s is %s: %s", d, r.Rule, r.State, r.Why)
		}
	}
}

// A Host that dies anywhere while it gathers: nobody is told twice of one thing, and what was told of in a gallery waits on.
func TestDeathWhileGathering(t *testing.T) {
	writes := dieGathering(t, true, death{})
	if writes < 15 {
		t.Fatalf("only %d writes: the scenario does nothing", writes)
	}
	for _, single := range []bool{true, false} {
		for k := int64(1); k <= writes; k++ {
			dieGathering(t, single, death{at: k, unsynced: 100, marks: true})
			dieGathering(t, single, death{at: k})
		}
	}
}

func dieGathering(t *testing.T, single bool, d death) (writes int64) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		rules := plans("price-drop", otn.Plan{Coalesce: 10 * time.Minute})
		rules.card = true
		p := &platform{single: single, took: map[otn.TokenID]int{}, rules: rules, forms: []otn.Form{otn.CardForm, otn.GalleryForm}}
		key := ledger.NewKey()
		disk, marks := made(t)
		fell := false
		disk, marks, writes = live(t, disk, marks, key, p, d, func(l *life, h *core.Host) { fell = l.falls(h) })
		time.Sleep(2 * time.Second)
		live(t, disk, marks, key, p, death{}, func(_ *life, h *core.Host) {
			time.Sleep(24 * time.Hour)
			synctest.Wait()
			finished(t, h, d)
			p.mu.Lock()
			defer p.mu.Unlock()
			for news, n := range p.news {
				if n > 1 {
					t.Errorf("%+v, single use %v: %s, %d times", d, single, news, n)
				}
			}
			for _, news := range []string{"ann coat 99.00 USD", "ann hat 89.00 USD", "bob hat 89.00 USD"} {
				if p.news[news] == 0 && fell && (single || d.at == 0) {
					t.Errorf("%+v: nobody told %s; told: %v", d, news, p.news)
				}
			}
		})
	})
	return writes
}

// falls is a life in which two things get cheaper, one after the other; it reports whether both were acknowledged.
func (l *life) falls(h *core.Host) bool {
	ctx := context.Background()
	price := func(id string, minor int64) bool {
		_, err := h.Observe(ctx, otn.Observation{Item: &otn.Item{ID: id, Known: otn.FactPrice, Price: otn.Money{Minor: minor, Currency: "USD"}}})
		return err == nil && !l.isOver()
	}
	ok := price("coat", 12000) && price("hat", 12000)
	for _, who := range []string{"ann coat", "ann hat", "bob hat"} {
		_, err := h.Grant(ctx, otn.Consent{Token: otn.NewToken("page", who), Channel: "shop", Subscriber: otn.Subscriber{ID: who[:3]}, Topic: "price-drop", Subject: who[4:]})
		ok = ok && err == nil && !l.isOver()
	}
	ok = ok && price("coat", 9900)
	time.Sleep(2 * time.Minute)
	ok = ok && price("hat", 8900)
	time.Sleep(20 * time.Minute)
	synctest.Wait()
	return ok
}
