// The world of one test: a whole Host on a store in memory, a platform that is a mock, and a clock that is moved.

package ruletest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/mock"
)

// world is one test being run.
type world struct {
	test     *test
	clock    *clock
	memory   *core.Memory
	rules    otn.Rules // that decide now
	watch    func(otn.Rules) otn.Rules
	channels map[string]*line

	host  *core.Host
	stop  context.CancelFunc
	ended chan struct{} // closed when the Host has ended
	fault error         // of its Run

	ids    map[consentKey]string // the latest consent of each
	keys   map[string]consentKey // by id
	tokens int

	seen     map[string]int          // reasons that an expect has spoken of, by person and text
	runsSeen map[string]core.RunView // as an expect saw them
	failures []Failure
}

// line is one channel: a mock that also notes what was called when.
type line struct {
	*mock.Mock
	name  string
	clock *clock

	mu       sync.Mutex
	accepted int
	sent     []sent // since the last expect
	replies  []sent // into open windows, since the last expect
	calls    int
	asked    int          // that an expect has spoken of
	next     []otn.Record // what the next webhook brings
}

// sent is a message that the platform took.
type sent struct {
	otn.Delivery
	at time.Time
}

// Send implements otn.Channel.
func (l *line) Send(ctx context.Context, d otn.Delivery) (otn.Receipt, error) {
	receipt, err := l.Mock.Send(ctx, d)
	l.mu.Lock()
	defer l.mu.Unlock()
	if d.Reply { // it spends no token
		if err == nil {
			l.accepted++
			l.replies = append(l.replies, sent{d, l.clock.Now()})
		}
		return receipt, err
	}
	l.calls++
	took := err == nil
	if outcome, _ := otn.OutcomeOf(err); outcome == otn.Unknown && err != nil {
		took = len(l.Deliveries()) > l.accepted // it was taken, and nobody said so
	}
	if took {
		l.accepted++
		l.sent = append(l.sent, sent{d, l.clock.Now()})
	}
	return receipt, err
}

// Receive implements otn.Receiver: what a test says that people do comes through the door as a webhook.
func (l *line) Receive(context.Context, otn.Request) (otn.Response, []otn.Record, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	records := l.next
	l.next = nil
	return otn.Response{Status: http.StatusOK}, records, nil
}

// newWorld makes the world of a test, in which nothing has happened yet.
func newWorld(ctx context.Context, t *test, r otn.Rules, watch func(otn.Rules) otn.Rules) (*world, error) {
	w := &world{
		test: t, clock: newClock(t.clock), memory: core.NewMemory(), rules: watch(r), watch: watch, channels: map[string]*line{},
		ids: map[consentKey]string{}, keys: map[string]consentKey{}, seen: map[string]int{}, runsSeen: map[string]core.RunView{},
	}
	for name := range t.channels {
		m, err := mock.New(t.script.config(), nil)
		if err != nil {
			return nil, err
		}
		w.channels[name] = &line{Mock: m, name: name, clock: w.clock}
	}
	return w, w.start(ctx)
}

// start lets a Host begin on what is there.
func (w *world) start(ctx context.Context) error {
	channels := map[string]otn.Channel{}
	for name, l := range w.channels {
		channels[name] = l
	}
	host, err := core.New(core.Config{Memory: w.memory, Rules: w.rules, Channels: channels, Clock: w.clock})
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	w.host, w.stop, w.ended = host, stop, ended
	go func() {
		defer close(ended)
		w.fault = host.Run(ctx)
	}()
	return w.settle(ctx)
}

// end lets the Host stop, and says how it ended.
func (w *world) end() error {
	if w.host == nil {
		return nil
	}
	w.stop()
	<-w.ended
	return w.fault
}

var errEnded = errors.New("the Host has ended")

// settle returns when the Host has nothing left to do at this moment.
func (w *world) settle(ctx context.Context) error {
	select {
	case <-w.host.Ready():
	case <-w.ended:
	}
	if w.clock.idle(w.host.Loops(), w.ended) {
		return nil
	}
	return errors.Join(errEnded, w.fault, ctx.Err())
}

// advance moves the time to a moment, from one thing that is due to the next.
func (w *world) advance(ctx context.Context, to time.Time) error {
	for {
		at, due := w.clock.next(to)
		w.clock.set(at)
		if err := w.settle(ctx); err != nil || !due {
			return err
		}
	}
}

func (w *world) observe(ctx context.Context, list ...*subject) error {
	all := make([]otn.Observation, len(list))
	for i, s := range list {
		o, err := s.observation()
		if err != nil {
			return err
		}
		all[i] = o
	}
	if len(all) == 0 {
		return nil
	}
	_, err := w.host.Observe(ctx, all...)
	return err
}

func (w *world) grant(ctx context.Context, list ...consent) error {
	var all []otn.Consent
	var keys []consentKey
	for i := range list {
		list[i].each(func(k consentKey, c otn.Consent) {
			w.tokens++
			c.Token = otn.NewToken("test", fmt.Sprintf("%s/%d", k, w.tokens))
			all, keys = append(all, c), append(keys, k)
		})
	}
	if len(all) == 0 {
		return nil
	}
	granted, err := w.host.Grant(ctx, all...)
	if err != nil {
		return err
	}
	for i, g := range granted {
		w.ids[keys[i]], w.keys[g.ID] = g.ID, keys[i]
	}
	return nil
}

// withdraw brings the wishes to hear no more, through the door of the channel that each person is known by.
func (w *world) withdraw(ctx context.Context, keys []consentKey) error {
	for _, k := range keys {
		name := w.channelOf(k.sub)
		if err := w.webhook(ctx, name, otn.Record{Stop: &otn.Stop{Channel: name, Subscriber: otn.Subscriber{ID: k.sub}, Topic: k.topic}}); err != nil {
			return err
		}
	}
	return nil
}

// window lets a person do something that opens their window.
func (w *world) window(ctx context.Context, name, sub string, open time.Duration, ref string) error {
	now := w.clock.Now()
	who := otn.Subscriber{ID: sub}
	records := []otn.Record{{At: now, Window: &otn.Window{Channel: name, Subscriber: who, Until: now.Add(open), Cause: "message"}}}
	if ref != "" {
		records[0].Window.Cause = "referral"
		records = append(records, otn.Record{At: now, Referral: &otn.Referral{Channel: name, Subscriber: who, Ref: ref}})
	}
	return w.webhook(ctx, name, records...)
}

// channelOf is the channel that a person's consents came through.
func (w *world) channelOf(sub string) string {
	for k, id := range w.ids {
		if k.sub != sub {
			continue
		}
		if c, err := w.host.Consent(id); err == nil && c.Channel != "" {
			return c.Channel
		}
	}
	return mainChannel
}

// webhook brings records through the public door.
func (w *world) webhook(ctx context.Context, name string, records ...otn.Record) error {
	l := w.channels[name]
	l.mu.Lock()
	l.next = records
	l.mu.Unlock()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "/hooks/"+name, http.NoBody)
	if err != nil {
		return err
	}
	var a answer
	w.host.Hooks().ServeHTTP(&a, r)
	if a.status != 0 && a.status != http.StatusOK {
		return fmt.Errorf("the door answers %d: %s", a.status, bytes.TrimSpace(a.body.Bytes()))
	}
	return nil
}

// answer is what the door says to a webhook.
type answer struct {
	status int
	body   bytes.Buffer
}

func (a *answer) Header() http.Header         { return http.Header{} }
func (a *answer) WriteHeader(status int)      { a.status = status }
func (a *answer) Write(b []byte) (int, error) { return a.body.Write(b) }

// timeline observes the columns row by row.
func (w *world) timeline(ctx context.Context, columns [][]*subject, every time.Duration) error {
	rows := 0
	for _, c := range columns {
		rows = max(rows, len(c))
	}
	for i := range rows {
		if i > 0 {
			if err := w.advance(ctx, w.clock.Now().Add(every)); err != nil {
				return err
			}
		}
		var list []*subject
		for _, c := range columns {
			if i < len(c) {
				list = append(list, c[i])
			}
		}
		if err := w.observe(ctx, list...); err != nil {
			return err
		}
		if err := w.settle(ctx); err != nil {
			return err
		}
	}
	return nil
}

// restart ends the Host and begins another on what it left.
func (w *world) restart(ctx context.Context) error {
	if err := w.end(); err != nil {
		return err
	}
	return w.start(ctx)
}

func (w *world) reload(ctx context.Context, r otn.Rules) error {
	w.rules = w.watch(r)
	return w.host.Reload(ctx, w.rules)
}

// approve lets the paused runs of a rule go on; of all rules for "".
func (w *world) approve(ctx context.Context, rule string) error {
	paused, _, err := w.host.Runs(core.RunQuery{Rule: rule, State: "paused", Limit: 1000})
	if err != nil {
		return err
	}
	if len(paused) == 0 {
		return fmt.Errorf("no run is paused")
	}
	for _, run := range paused {
		_, err := w.host.ApproveRun(ctx, run.ID)
		if errors.Is(err, otn.ErrRefused) { // it is paused for another reason
			_, err = w.host.ResumeRun(ctx, run.ID)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// show writes a moment in the zone of the test.
func (w *world) show(t time.Time) string { return t.In(w.test.clock.Location()).Format(time.RFC3339) }
