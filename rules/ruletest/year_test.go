// A year of a busy shop, once in peace, and once with a restart every week and deaths at any write: the same messages, once each.

package ruletest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/ledger/pebble"
	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/rules"
)

// yearBegins is the first moment of the year, and yearLimit how long it may take: of the processor, so that whoever else
// uses the machine makes no difference.
var yearBegins = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

const (
	yearDays  = 365
	yearLimit = 10 * time.Second
	day       = 24 * time.Hour
)

// inRace are the acts of the year that are enough for the race detector, which is slow.
const inRace = 250

// act is one thing that the world does to the shop. It may be done again when nobody acknowledged it.
type act struct {
	at time.Time
	do func(context.Context, *core.Host) error
}

// acts is what happens in the year: the same for the same seed.
func acts(seed uint64) []act {
	r := rand.New(rand.NewPCG(seed, 1))
	var list []act
	add := func(at time.Time, do func(context.Context, *core.Host) error) { list = append(list, act{at, do}) }
	observe := func(at time.Time, o otn.Observation) {
		add(at, func(ctx context.Context, h *core.Host) error { _, err := h.Observe(ctx, o); return err })
	}
	for i := range 8 {
		observe(yearBegins, item(i, otn.FactTitle|otn.FactPrice|otn.FactStock, 10_000, 0))
	}
	for i := range 4 {
		launch := yearBegins.Add(time.Duration(40+80*i)*day + 7*time.Hour)
		observe(yearBegins, otn.Observation{Collection: &otn.Collection{ID: fmt.Sprint("C", i), Known: otn.FactTitle | otn.FactPublished | otn.FactLaunchAt,
			Title: fmt.Sprint("Collection ", i), Published: true, LaunchAt: launch}})
	}
	zones := []string{"", "Europe/Berlin", "America/Los_Angeles", "Australia/Lord_Howe", "Asia/Kolkata"}
	for n := range 1600 {
		at := moment(r)
		c := otn.Consent{Token: otn.NewToken("page", fmt.Sprint("t", n)), Channel: mainChannel, Subscriber: otn.Subscriber{ID: fmt.Sprint("p", r.IntN(200))}, TZ: zones[r.IntN(len(zones))]}
		switch k := r.IntN(10); {
		case k < 5:
			c.Topic, c.Subject = "back-in-stock", fmt.Sprint("I", r.IntN(8))
			c.Answers = []otn.Named{{Name: "quantity", Value: otn.IntValue(int64(1 + r.IntN(4)))}}
		case k < 8:
			c.Topic, c.Subject = "price-drop", fmt.Sprint("I", r.IntN(8))
			if r.IntN(2) == 0 {
				c.Answers = []otn.Named{{Name: "target", Value: otn.MoneyValue(otn.Money{Minor: 9000, Currency: "USD"})}}
			}
		case k < 9:
			c.Topic, c.Subject = "new-collection", fmt.Sprint("C", r.IntN(4))
		default:
			c.Topic = "journal"
		}
		if r.IntN(4) == 0 {
			c.ExpiresAt = at.Add(time.Duration(1+r.IntN(30)) * day)
		}
		add(at, func(ctx context.Context, h *core.Host) error { _, err := h.Grant(ctx, c); return err })
	}
	for range 900 {
		known, price := otn.FactStock, int64(0)
		if r.IntN(3) == 0 {
			known, price = otn.FactPrice, int64(7000+500*r.IntN(10))
		}
		observe(moment(r), item(r.IntN(8), known, price, int64(r.IntN(5))))
	}
	for n := range 20 {
		t := otn.Trigger{Name: "new_post", Key: fmt.Sprint("post", n), Fields: []otn.Named{{Name: "title", Value: otn.StringValue(fmt.Sprint("Post ", n))}}}
		add(moment(r), func(ctx context.Context, h *core.Host) error { _, err := h.Trigger(ctx, t); return err })
	}
	slices.SortStableFunc(list, func(a, b act) int { return a.at.Compare(b.at) })
	return list
}

func moment(r *rand.Rand) time.Time {
	return yearBegins.Add(time.Hour + time.Duration(r.Int64N(int64(yearDays*day-2*time.Hour))).Truncate(time.Second))
}

func item(i int, known otn.Fact, price, stock int64) otn.Observation {
	return otn.Observation{Item: &otn.Item{ID: fmt.Sprint("I", i), Known: known, Title: fmt.Sprint("Item ", i), Price: otn.Money{Minor: price, Currency: "USD"}, Stock: stock}}
}

// message is a message that reached a person.
type message struct {
	token    string
	sub, say string
	at       time.Time
}

// platform refuses a token's second use. What comes from a dead daemon does not get through.
type platform struct {
	clock *clock
	mu    sync.Mutex
	dead  bool
	used  map[otn.TokenID]bool
	told  []message
}

func (p *platform) Describe(context.Context) (otn.Description, error) {
	return otn.Description{Account: "page", Capabilities: otn.Capabilities{Sends: true, MaxInFlight: 1, SingleUseToken: true}}, nil
}

func (p *platform) Send(_ context.Context, d otn.Delivery) (otn.Receipt, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch id := d.Token.ID(); {
	case p.dead:
		return otn.Receipt{}, errors.New("nobody is there any more")
	case p.used[id]:
		return otn.Receipt{}, &otn.SendError{Outcome: otn.Refused, Code: "used", Err: otn.ErrSpent}
	default:
		p.used[id] = true
		p.told = append(p.told, message{id.String(), d.Subscriber.ID, d.Message.Text, p.clock.Now()})
		return otn.Receipt{ProviderID: "m"}, nil
	}
}

// year is one run through the year.
type year struct {
	t        *testing.T
	set      *rules.Set
	key      otn.Secret
	clock    *clock
	platform *platform
	disk     *vfs.MemFS
	marks    *pebble.Memory
	r        *rand.Rand
	deaths   bool

	host     *core.Host
	stop     context.CancelFunc
	ended    chan struct{}
	left     *vfs.MemFS // what a death left, until the next daemon begins
	leftMark *pebble.Memory
	writes   int // until the next death
	died     int
}

// start lets a daemon begin on what is there.
func (y *year) start() {
	y.t.Helper()
	y.platform.mu.Lock()
	y.platform.dead = false
	y.platform.mu.Unlock()
	y.left, y.writes = nil, 200+y.r.IntN(1500)
	engine, err := pebble.Open("data", pebble.Options{FS: errorfs.Wrap(y.disk, errorfs.InjectorFunc(y.inject)), Marks: y.marks, Still: true})
	if err != nil {
		y.t.Fatal(err)
	}
	host, err := core.New(core.Config{Engine: engine, Key: y.key, Rules: y.set, Channels: map[string]otn.Channel{mainChannel: y.platform}, Clock: y.clock})
	if err != nil {
		y.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(y.t.Context())
	ended := make(chan struct{})
	y.host, y.stop, y.ended = host, stop, ended
	go func() {
		defer close(ended)
		if err := host.Run(ctx); err != nil {
			y.t.Error(err)
		}
	}()
	y.settle()
}

// inject counts the writes, and takes what is left of the disk at the one at which the daemon dies.
func (y *year) inject(op errorfs.Op) error {
	if !y.deaths || op.Kind.ReadOrWrite() != errorfs.OpIsWrite {
		return nil
	}
	p := y.platform
	p.mu.Lock()
	defer p.mu.Unlock()
	if y.writes--; y.writes != 0 {
		return nil
	}
	p.dead = true
	y.leftMark = pebble.NewMemory()
	unsynced := 100
	if y.r.IntN(2) == 0 { // kill -9: the marks outlive it
		y.leftMark = y.marks.Clone()
	} else {
		unsynced = []int{0, 50, 100}[y.r.IntN(3)]
	}
	y.left = y.disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: unsynced, RNG: y.r})
	return nil
}

func (y *year) end() { y.stop(); <-y.ended }

// settle waits until nothing is left to do at this moment; a daemon that died meanwhile is followed by another.
func (y *year) settle() {
	y.t.Helper()
	select {
	case <-y.host.Ready():
	case <-y.ended:
	}
	if !y.clock.idle(y.host.Loops(), y.ended) {
		y.t.Fatal("the Host has ended")
	}
}

// alive reports whether the daemon lives, and begins another if not.
func (y *year) alive() bool {
	y.platform.mu.Lock()
	dead := y.platform.dead
	y.platform.mu.Unlock()
	if !dead {
		return true
	}
	y.died++
	y.end()
	y.disk, y.marks = y.left, y.leftMark
	y.start()
	return false
}

func (y *year) settled() {
	y.settle()
	for !y.alive() {
		y.settle()
	}
}

func (y *year) advance(to time.Time) {
	for due := true; due; {
		var at time.Time
		at, due = y.clock.next(to)
		y.clock.set(at)
		y.settled()
	}
}

// run goes through the year. What nobody acknowledged is done again, as a webhook is repeated.
func (y *year) run(list []act, restarts bool) []message {
	y.start()
	week := yearBegins.Add(7 * day)
	for _, a := range list {
		for restarts && !a.at.Before(week) {
			y.advance(week)
			y.end()
			y.start()
			y.settled()
			week = week.Add(7 * day)
		}
		y.advance(a.at)
		for {
			err := a.do(y.t.Context(), y.host)
			y.settle()
			if y.alive() {
				if err != nil {
					y.t.Fatal(err)
				}
				break
			}
		}
	}
	if !raced {
		y.advance(yearBegins.Add(yearDays * day))
	}
	return y.platform.told
}

func newYear(t *testing.T, set *rules.Set, key otn.Secret, deaths bool) *year {
	c := newClock(yearBegins)
	return &year{t: t, set: set, key: key, clock: c, platform: &platform{clock: c, used: map[otn.TokenID]bool{}},
		disk: vfs.NewCrashableMem(), marks: pebble.NewMemory(), r: rand.New(rand.NewPCG(7, 7)), deaths: deaths}
}

func TestSimulatedYear(t *testing.T) {
	text, err := os.ReadFile("testdata/year.rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	set, err := rules.Compile(rules.File{Name: "year.rules.yaml", Source: text})
	if err != nil {
		t.Fatal(err)
	}
	list := acts(1)
	if raced {
		list = list[:inRace]
	}
	key := ledger.NewKey()
	peace := newYear(t, set, key, false)
	want := peace.run(list, false)
	expired := 0
	topics, err := peace.host.Topics()
	if err != nil {
		t.Fatal(err)
	}
	for _, topic := range topics {
		expired += int(topic.Expired)
	}
	peace.end()
	by := map[string]int{}
	for _, m := range want {
		for _, kind := range []string{"now", "back", "here", "Post"} {
			if strings.Contains(m.say, kind) {
				by[kind]++
			}
		}
	}
	if !raced && (len(want) < 600 || expired < 20) {
		t.Fatalf("%d messages, %d expired: the year is too quiet", len(want), expired)
	}

	began, worked := time.Now(), processor(t)
	storm := newYear(t, set, key, true)
	got := storm.run(list, true)
	storm.end()
	took := processor(t) - worked
	t.Logf("%d messages %v, %d expired, %d deaths, %v of the processor, %v on the wall", len(want), by, expired, storm.died, took, time.Since(began))
	if storm.died < 5 {
		t.Errorf("only %d deaths", storm.died)
	}
	if took > yearLimit && !raced {
		t.Errorf("the year took %v, %v are allowed", took, yearLimit)
	}
	compareYears(t, want, got)
}

// compareYears tells the first differences of two years.
func compareYears(t *testing.T, want, got []message) {
	t.Helper()
	order := func(a, b message) int {
		if c := a.at.Compare(b.at); c != 0 {
			return c
		}
		return strings.Compare(a.token, b.token)
	}
	for _, all := range [][]message{want, got} {
		for i := range all {
			if strings.HasPrefix(all[i].say, "Post") { // where in a spread somebody stands follows from the number of its event
				all[i].at = time.Time{}
			}
		}
		slices.SortFunc(all, order)
	}
	said := 0
	missing := func(what string, from, in []message) {
		for _, m := range from {
			if !slices.Contains(in, m) && said < 20 {
				said++
				t.Errorf("%s: %s to %s at %s", what, m.say, m.sub, m.at.Format(time.RFC3339Nano))
			}
		}
	}
	missing("missing after deaths", want, got)
	missing("only after deaths", got, want)
}

// processor is how much of the processor this program has used.
func processor(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
