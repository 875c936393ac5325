// The Host dies at every write it makes, by kill -9 and by power cut: nobody is told twice, nothing acknowledged is lost.

package core_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/ledger/pebble"
	"github.com/onetimenotify/otn/core/otn"
)

// death says when a Host dies, and what its disk keeps.
type death struct {
	at       int64 // the write operation; 0: never
	unsynced int   // per cent of unsynced bytes that the disk keeps
	seed     uint64
	marks    bool // whether the marks outlive it: kill -9 and not a power cut
}

// platform takes messages on the far side of the crash. Once a Host is dead nothing of it gets through.
type platform struct {
	single bool // refuses a token's second use
	rules  otn.Rules
	polls  map[string]core.Poll
	mu     sync.Mutex
	took   map[otn.TokenID]int
	asked  map[string]int // by person
	said   map[string]int // by person
	tries  map[string]int // of asks, by person
	forms  []otn.Form
	at     []time.Time    // of each message
	news   map[string]int // how often each person was told of each card
}

func (p *life) Describe(context.Context) (otn.Description, error) {
	return otn.Description{Account: "page", Capabilities: otn.Capabilities{Sends: true, MaxInFlight: 2, SingleUseToken: p.single, Replies: true, Forms: p.forms}}, nil
}

func (p *life) Send(_ context.Context, d otn.Delivery) (otn.Receipt, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return otn.Receipt{}, errors.New("dead")
	}
	if d.Reply {
		p.said[d.Subscriber.ID]++
		return otn.Receipt{ProviderID: "m"}, nil
	}
	id := d.Token.ID()
	if p.single && p.took[id] > 0 {
		return otn.Receipt{}, &otn.SendError{Outcome: otn.Refused, Code: "token_used"}
	}
	p.took[id]++
	p.at = append(p.at, time.Now())
	if p.news == nil {
		p.news = map[string]int{}
	}
	for _, card := range d.Message.Gallery {
		p.news[d.Subscriber.ID+" "+card.Title]++
	}
	if d.Message.Card != nil {
		p.news[d.Subscriber.ID+" "+d.Message.Card.Title]++
	}
	return otn.Receipt{ProviderID: "m"}, nil
}

// life is one life of a Host: when it is over, nothing that it does counts.
type life struct {
	*platform
	over    bool
	fell    bool         // the fall of the price was acknowledged
	records []otn.Record // what the next webhook holds
}

// scenario is what happens to a Host in its first life: five people wait, and the price falls. It returns what was
// acknowledged while it lived.
func (l *life) scenario(host *core.Host) (acknowledged []otn.TokenID) {
	ctx := context.Background()
	if !l.price(host, 12000) {
		return nil
	}
	for i := range 5 {
		c := otn.Consent{Token: otn.NewToken("page", fmt.Sprint("token", i)), Channel: "shop", Subscriber: otn.Subscriber{ID: fmt.Sprint("p", i)}, Topic: "price-drop", Subject: "coat"}
		if _, err := host.Grant(ctx, c); err != nil || l.isOver() {
			return acknowledged
		}
		acknowledged = append(acknowledged, c.Token.ID())
	}
	l.fell = l.price(host, 9900)
	synctest.Wait()
	return acknowledged
}

// price has the shop say what the coat costs, and reports whether that was acknowledged in this life.
func (l *life) price(host *core.Host, minor int64) bool {
	_, err := host.Observe(context.Background(), otn.Observation{Item: &otn.Item{ID: "coat", Known: otn.FactPrice, Price: otn.Money{Minor: minor, Currency: "USD"}}})
	return err == nil && !l.isOver()
}

func (l *life) isOver() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.over
}

// live runs one life until it is over, and returns what is left of its disk.
func live(t *testing.T, disk *vfs.MemFS, marks *pebble.Memory, key otn.Secret, p *platform, d death, act func(*life, *core.Host)) (*vfs.MemFS, *pebble.Memory, int64) {
	t.Helper()
	var writes atomic.Int64
	var leftDisk *vfs.MemFS
	leftMarks := pebble.NewMemory()
	l := &life{platform: p}
	fs := errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() != errorfs.OpIsWrite || writes.Add(1) != d.at {
			return nil
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		l.over = true
		if d.marks {
			leftMarks = marks.Clone()
		}
		leftDisk = disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: d.unsynced, RNG: rand.New(rand.NewPCG(1+d.seed, uint64(d.at)))})
		return nil
	}))
	engine, err := pebble.Open("data", pebble.Options{FS: fs, Marks: marks, Still: true})
	if err != nil {
		t.Fatal(err)
	}
	host, err := core.New(core.Config{Engine: engine, Key: key, Rules: p.rules, Channels: map[string]otn.Channel{"shop": l}, Polls: p.polls})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- host.Run(ctx) }()
	select {
	case <-host.Ready():
		act(l, host)
	case err := <-ended:
		t.Fatalf("death at %+v: %v", d, err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if leftDisk == nil {
		leftDisk, leftMarks = disk, marks
	}
	return leftDisk, leftMarks, writes.Load()
}

func TestDeathAtEveryWrite(t *testing.T) {
	writes := dieAt(t, true, death{})
	if writes < 40 {
		t.Fatalf("only %d writes: the scenario does nothing", writes)
	}
	kinds := []death{{unsynced: 100, marks: true}, {unsynced: 0}, {unsynced: 50}, {unsynced: 100}}
	for _, single := range []bool{true, false} {
		for k := int64(1); k <= writes; k++ {
			for _, d := range kinds {
				d.at = k
				dieAt(t, single, d)
			}
		}
	}
}

// dieAt lives twice: the first Host dies, the second has a day to make good. Then the books are checked.
func dieAt(t *testing.T, single bool, d death) (writes int64) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := &platform{single: single, took: map[otn.TokenID]int{}, rules: shopRules{text: "now"}}
		key := ledger.NewKey()
		disk, marks := made(t)
		var granted []otn.TokenID
		fell := false
		disk, marks, writes = live(t, disk, marks, key, p, d, func(l *life, h *core.Host) { granted, fell = l.scenario(h), l.fell })
		live(t, disk, marks, key, p, death{}, func(l *life, h *core.Host) {
			time.Sleep(24 * time.Hour)
			synctest.Wait()
			for _, id := range granted {
				if c, err := h.Consent(id.String()); fell && (err != nil || c.State == "waiting") {
					t.Errorf("%+v: the price fell, and %s is %s, %v", d, id, c.State, err)
				}
			}
			l.price(h, 13000)
			l.price(h, 8000)
			time.Sleep(24 * time.Hour)
			synctest.Wait()
			audit(t, h, p, granted, d)
		})
	})
	return writes
}

// made is a disk with an empty store on it, so that the deaths are those of a life and not of a birth.
func made(t *testing.T) (*vfs.MemFS, *pebble.Memory) {
	disk, marks := vfs.NewCrashableMem(), pebble.NewMemory()
	engine, err := pebble.Open("data", pebble.Options{FS: disk, Marks: marks, Still: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := engine.Close(); err != nil {
		t.Fatal(err)
	}
	return disk, marks
}

// audit is the balance: what was acknowledged is there, nobody was told twice, and whoever was not told is a doubt.
func audit(t *testing.T, h *core.Host, p *platform, granted []otn.TokenID, d death) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, n := range p.took {
		if n > 1 {
			t.Errorf("%+v, single use %v: %s was told %d times", d, p.single, id, n)
		}
	}
	for _, id := range granted {
		c, err := h.Consent(id.String())
		if err != nil {
			t.Errorf("%+v: an acknowledged consent is lost (told %d): %v", d, p.took[id], err)
			continue
		}
		switch told := p.took[id]; {
		case c.State == "sent" && told == 1, c.State == "unknown" && (told == 1 || !p.single):
		default:
			t.Errorf("%+v, single use %v: %s is %s and was told %d times", d, p.single, id, c.State, told)
		}
	}
}
