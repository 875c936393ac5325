// What a machine can do, measured on a store of its own: a host, a channel to nowhere, people who wait, and a watch.

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins"
	"github.com/onetimenotify/otn/plugins/mock"
	"github.com/onetimenotify/otn/rules"
)

// yardRules have a rule that is about each person: a target of their own.
const yardRules = `
version: 1
timezone: UTC
topics:
  price-drop: {use: price_drop, subject: item, ask: cheaper, answers: {target: {type: money, optional: true}}}
rules:
  - id: price-drop
    topic: price-drop
    on: [item.changed]
    when: |
      item.price < was.price && (!sub.has.target || item.price <= sub.target)
    message: {text: "now ${item.price}"}
`

// yard is where things are measured: a host at work in a folder that is thrown away.
type yard struct {
	dir  string
	host *core.Host
	stop func() error

	tokens atomic.Int64 // given so far
	price  int64        // of the coat, in cents
}

// yardChannel is the channel of a yard: in this process, or in one of its own that run keeps alive.
type yardChannel struct {
	otn.Channel
	run func(context.Context) error // nil: it needs nothing
}

// nowhere is a mock channel in this process: it forgets what it is given.
func nowhere() (yardChannel, error) {
	m, err := mock.New(mock.Config{Account: "page", MaxInFlight: 64, Script: []mock.Step{{Do: mock.Forget}}}, slog.New(slog.DiscardHandler))
	return yardChannel{Channel: m}, err
}

// nowhereElse is the same in a process of its own, which command starts.
func nowhereElse(command []string) yardChannel {
	p := plugins.New(plugins.Spec{Name: "shop", Plugin: "mock", Command: append(slices.Clone(command), "plugin", "mock"), Config: json.RawMessage(`{"account":"page","script":[{"do":"forget"}]}`)})
	return yardChannel{p, func(ctx context.Context) error {
		ran := make(chan error, 1)
		go func() { ran <- p.Run(ctx) }()
		ready, cancel := context.WithCancel(ctx)
		defer cancel()
		if err := p.Ready(ready); err != nil {
			return errors.Join(err, <-ran)
		}
		return <-ran
	}}
}

// startYard starts a host with a channel. Stop it once.
func startYard(ctx context.Context, dir string, ch yardChannel) (*yard, error) {
	set, err := rules.Compile(rules.File{Name: "bench.yaml", Source: []byte(yardRules)})
	if err != nil {
		return nil, err
	}
	host, err := core.New(core.Config{Dir: filepath.Join(dir, "data"), Rules: set, Channels: map[string]otn.Channel{"shop": ch.Channel}})
	if err != nil {
		return nil, err
	}
	living, endChannel := context.WithCancel(ctx)
	working, endHost := context.WithCancel(ctx)
	var all sync.WaitGroup
	failed := make(chan error, 2)
	if ch.run != nil {
		all.Go(func() { failed <- ch.run(living) })
	}
	hosted := make(chan error, 1)
	go func() { hosted <- host.Run(working) }()
	t := &yard{dir: dir, host: host, price: 1_000_000_000}
	t.stop = func() error {
		endHost()
		err := <-hosted
		endChannel()
		all.Wait()
		return err
	}
	select {
	case <-host.Ready():
	case err := <-hosted:
		hosted <- err
		return nil, errors.Join(err, t.stop())
	case err := <-failed:
		return nil, errors.Join(err, t.stop())
	}
	if err := t.drop(ctx); err != nil { // its first price is no drop
		return nil, errors.Join(err, t.stop())
	}
	return t, nil
}

// consent is one more person who waits, until the price is a target; 0: for any drop.
func (t *yard) consent(target int64) otn.Consent {
	n := t.tokens.Add(1)
	c := otn.Consent{
		Token: otn.NewToken("page", fmt.Sprint(8100000000000000000+n)), Channel: "shop", Subscriber: otn.Subscriber{ID: fmt.Sprint(5400000000000000 + n)},
		Topic: "price-drop", Subject: "coat",
	}
	if target > 0 {
		c.Answers = []otn.Named{{Name: "target", Value: otn.MoneyValue(otn.Money{Minor: target, Currency: "USD"})}}
	}
	return c
}

// wait lets people wait, in pages.
func (t *yard) wait(ctx context.Context, people int, target int64) error {
	for left := people; left > 0; {
		page := make([]otn.Consent, min(left, 1000))
		for i := range page {
			page[i] = t.consent(target)
		}
		if _, err := t.host.Grant(ctx, page...); err != nil {
			return err
		}
		left -= len(page)
	}
	return nil
}

// drop lowers the price of the coat by a dollar.
func (t *yard) drop(ctx context.Context) error {
	t.price -= 100
	o := otn.Observation{Item: &otn.Item{ID: "coat", Known: otn.FactPrice, Price: otn.Money{Minor: t.price, Currency: "USD"}}}
	_, err := t.host.Observe(ctx, o)
	return err
}

// sent waits until so many messages are sent in all.
func (t *yard) sent(ctx context.Context, n int64) error {
	for {
		topics, err := t.host.Topics()
		if err != nil || topics[0].Sent >= n {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(time.Millisecond):
		}
	}
}

// grants is how many consents a second so many callers are given durably, one each call.
func (t *yard) grants(ctx context.Context, callers int, during time.Duration) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, during+time.Minute)
	defer cancel()
	var all sync.WaitGroup
	var done atomic.Int64
	errs := make(chan error, callers)
	begin := time.Now()
	for range callers {
		all.Go(func() {
			for time.Since(begin) < during {
				if _, err := t.host.Grant(ctx, t.consent(1)); err != nil {
					errs <- err
					return
				}
				done.Add(1)
			}
		})
	}
	all.Wait()
	select {
	case err := <-errs:
		return 0, err
	default:
		return float64(done.Load()) / time.Since(begin).Seconds(), nil
	}
}

// decisions is how many consents a second a condition is decided for, one after the other.
func (t *yard) decisions(ctx context.Context, during time.Duration) (float64, error) {
	looked, begin := int64(0), time.Now()
	for time.Since(begin) < during {
		topics, err := t.host.Topics()
		if err != nil {
			return 0, err
		}
		looked += topics[0].Waiting
		ask := core.SendRequest{Topic: "price-drop", Subject: "coat", Where: `sub.target > money("9 USD")`, Message: otn.Message{Text: "hello"}, DryRun: true}
		if _, err := t.host.Send(ctx, ask); err != nil {
			return 0, err
		}
	}
	return float64(looked) / time.Since(begin).Seconds(), nil
}

// deliveries is how many messages a second a run sends, from the price to the last that is settled.
func (t *yard) deliveries(ctx context.Context, people int) (float64, error) {
	if err := t.wait(ctx, people, 0); err != nil {
		return 0, err
	}
	topics, err := t.host.Topics()
	if err != nil {
		return 0, err
	}
	begin := time.Now()
	if err := t.drop(ctx); err != nil {
		return 0, err
	}
	err = t.sent(ctx, topics[0].Sent+int64(people))
	return float64(people) / time.Since(begin).Seconds(), err
}

// size is how many bytes the store's folder holds.
func (t *yard) size() (n int64, err error) {
	err = filepath.WalkDir(filepath.Join(t.dir, "data", "store"), func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(d.Name()) == ".log" {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil {
			n += info.Size()
		}
		return err
	})
	return n, err
}

// webhooks are how long webhooks take that come at a pace, from when each is due until its answer: it is on disk then.
// They come until until is closed, and at most so many.
func (t *yard) webhooks(ctx context.Context, perSecond, most int, until <-chan struct{}) ([]time.Duration, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	server := &http.Server{Handler: t.host.Hooks(), ReadHeaderTimeout: time.Minute}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: time.Minute}
	took, failed := make([]time.Duration, most), make(chan error, most)
	var all sync.WaitGroup
	began, n := time.Now(), 0
	for i, on := 0, true; on && i < most; i++ {
		due := began.Add(time.Duration(i) * time.Second / time.Duration(perSecond))
		select {
		case <-until:
			on = false
			continue
		case <-time.After(time.Until(due)):
		}
		n++
		all.Go(func() {
			failed <- t.hook(ctx, client, "http://"+listener.Addr().String()+"/hooks/shop")
			took[i] = time.Since(due)
		})
	}
	all.Wait()
	client.CloseIdleConnections()
	err = server.Close()
	if e := <-served; !errors.Is(e, http.ErrServerClosed) {
		err = errors.Join(err, e)
	}
	for range n {
		err = errors.Join(err, <-failed)
	}
	took = took[:n]
	slices.Sort(took)
	return took, err
}

// hook grants a consent through the public door.
func (t *yard) hook(ctx context.Context, client *http.Client, url string) error {
	c := t.consent(1)
	body, err := json.Marshal(mock.Grant{Recipient: c.Subscriber.ID, Topic: c.Topic, Subject: c.Subject, Token: c.Token.Reveal(), Answers: map[string]string{"target": "0.01 USD"}})
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	answer, err := client.Do(r)
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("a webhook was answered %s", answer.Status)
	}
	return errors.Join(err, answer.Body.Close())
}

// syncs is how many times a second a folder's disk takes 4 KiB for good.
func syncs(dir string, during time.Duration) (float64, error) {
	f, err := os.CreateTemp(dir, "probe")
	if err != nil {
		return 0, err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // a temporary file
	block, n, begin := make([]byte, 4096), 0, time.Now()
	for ; err == nil && time.Since(begin) < during; n++ {
		if _, err = f.Write(block); err == nil {
			err = f.Sync()
		}
	}
	return float64(n) / time.Since(begin).Seconds(), errors.Join(err, f.Close())
}
