// Package core is the Host: it wires the parts of the data path together and owns every goroutine. It is what an
// embedder imports.
package core

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/onetimenotify/otn/core/catalog"
	"github.com/onetimenotify/otn/core/dispatch"
	"github.com/onetimenotify/otn/core/intake"
	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/ledger/pebble"
	"github.com/onetimenotify/otn/core/otn"
)

// Config is what a Host is made of. Dir and Rules are needed.
type Config struct {
	Dir      string                  // the store's folder, for this Host alone; made when it does not exist
	Key      otn.Secret              // wraps the data keys; empty: Dir's own key file, made at the first start
	Rules    otn.Rules               // what decides
	Channels map[string]otn.Channel  // by instance; each is also asked for otn.Receiver, otn.Asker and otn.Describer
	Sources  map[string]otn.Receiver // by instance
	Polls    map[string]Poll         // by instance: sources that are asked; one may be in Sources as well
	Rates    map[string]float64      // messages per second by channel; missing: what the channel declares
	Clock    Clock                   // nil: the machine's
	Zone     *time.Location          // in which days are told; nil: UTC
	Keep     Retention               // how long what has happened is kept
	Log      *slog.Logger            // nil: silent
	Meter    otn.Meter               // nil: nothing is measured

	// Memory keeps everything instead of a store in Dir: for tests and rehearsals.
	Memory *Memory
	// Engine keeps the bytes instead of a store in Dir: for tests. The Host closes it.
	Engine ledger.Engine
}

// Host keeps the promise. Its methods may be called from many goroutines. Nothing happens before Run is called: those that
// write wait until it has opened the store, and are otn.ErrUnavailable where nobody has called it within five seconds; those
// that only show something are otn.ErrUnavailable at once.
type Host struct {
	config Config
	ready  chan struct{} // closed when the parts below are there
	ended  chan struct{} // closed when Run has returned
	ran    atomic.Bool
	tick   chan struct{}     // a timer was set
	ticks  atomic.Uint64     // how many were
	wants  map[string]*wants // what is due for one person, by channel

	lines    sync.Map     // cron lines by zone and text
	loops    atomic.Int64 // that wait by the Clock
	rests    rests        // of channels from being asked through
	gone     gone         // people who were erased a short while ago
	keys     keyring      // of the operator's door
	trail    trail        // what operators and keys did
	refusals refusals     // calls that keys may not make
	calls    calls        // of the operator's door that are under way

	ledger   *ledger.Ledger
	catalog  *catalog.Catalog
	dispatch *dispatch.Dispatch
	intake   *intake.Intake
	hooks    http.Handler
	pollers  map[string]*poller // made by New

	listeners map[string]*listener // made by New
}

// New makes a Host. It opens nothing and starts nothing.
func New(c Config) (*Host, error) {
	if c.Dir == "" && c.Engine == nil && c.Memory == nil {
		return nil, fmt.Errorf("core: no folder for the store: %w", otn.ErrInvalid)
	}
	if c.Rules == nil {
		return nil, fmt.Errorf("core: no rules: %w", otn.ErrInvalid)
	}
	for name := range c.Sources {
		if _, twice := c.Channels[name]; twice {
			return nil, fmt.Errorf("core: %q is a channel and a source: %w", name, otn.ErrInvalid)
		}
	}
	if c.Clock == nil {
		c.Clock = machine{}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if err := cronLines(c.Rules); err != nil {
		return nil, err
	}
	var err error
	if c.Keep, err = c.Keep.Checked(); err != nil {
		return nil, err
	}
	h := &Host{config: c, ready: make(chan struct{}), ended: make(chan struct{}), tick: make(chan struct{}, 1), wants: wantsOf(c)}
	if err := h.makePollers(); err != nil {
		return nil, err
	}
	h.makeListeners()
	return h, nil
}

// Loops is how many goroutines of Run wait by the Clock when they have nothing to do, once the Host is Ready. Those that
// carry a message count as none of their own: the one that handed it to them waits for them. Nor do those that listen: what
// they wait for is outside.
func (h *Host) Loops() int { return int(h.loops.Load()) }

// Ready is closed when the store is open and what an earlier Host left is recovered.
func (h *Host) Ready() <-chan struct{} { return h.ready }

// Run opens the store, recovers, and works until ctx is done. When it returns everything that was handed to a channel is
// settled, the store is closed and no goroutine is left. A store in trouble ends it with otn.ErrStore: nothing was
// acknowledged after the fault. Other errors: otn.ErrForeign, otn.ErrLocked. It runs once.
func (h *Host) Run(ctx context.Context) (err error) {
	if h.ran.Swap(true) {
		return fmt.Errorf("core: a host runs once: %w", otn.ErrRepeat)
	}
	defer close(h.ended)
	if err := h.open(ctx); err != nil {
		return fmt.Errorf("core: %w", err)
	}
	defer func() { err = errors.Join(err, h.ledger.Close()) }()
	for _, step := range []func(context.Context) error{h.dispatch.Recover, h.planPolls, h.planTrim} {
		if err := step(ctx); err != nil {
			return fmt.Errorf("core: %w", err)
		}
	}
	return h.work(ctx)
}

// work runs the loops. Those that decide stop before those that send.
func (h *Host) work(ctx context.Context) error {
	sending, stopSending := context.WithCancel(context.WithoutCancel(ctx))
	defer stopSending()
	var carriers, lanes errgroup.Group
	deciders, deciding := errgroup.WithContext(ctx)
	loop := func(run func(context.Context) error) {
		h.loops.Add(1)
		deciders.Go(func() error { return run(deciding) })
	}
	loop(h.watchClock)
	loop(h.dispatch.Follow)
	loop(h.dispatch.Backfill)
	for name, queue := range h.wants {
		n := askers
		if name == nowhere {
			n = 1
		}
		for range n {
			loop(func(ctx context.Context) error { return h.carryAsks(ctx, queue) })
		}
	}
	for _, p := range h.pollers {
		loop(p.run)
	}
	h.listening(func(run func(context.Context) error) { deciders.Go(func() error { return run(deciding) }) })
	failed := make(chan error, len(h.dispatch.Lanes()))
	for _, lane := range h.dispatch.Lanes() {
		for range dispatch.MaxCarriers {
			carriers.Go(func() error { lane.Carry(sending); return nil })
		}
		h.loops.Add(1)
		lanes.Go(func() error {
			err := lane.Run(sending)
			if err != nil {
				failed <- err
			}
			return nil
		})
	}
	deciders.Go(func() error {
		select {
		case <-deciding.Done():
			return nil
		case err := <-failed:
			return err
		}
	})
	close(h.ready)
	decided := deciders.Wait()
	stopSending()
	return errors.Join(decided, lanes.Wait(), carriers.Wait())
}

// open makes the parts.
func (h *Host) open(ctx context.Context) error {
	c := h.config
	engine, err := h.engine()
	if err != nil {
		return err
	}
	if h.ledger, err = h.openLedger(ctx, engine); err != nil {
		return err
	}
	if err := errors.Join(h.keys.load(h.ledger), h.trail.load(ctx, h.ledger, c.Clock.Now())); err != nil {
		return errors.Join(err, h.ledger.Close())
	}
	h.catalog = catalog.New(h.ledger)
	h.dispatch = dispatch.New(dispatch.Config{
		Ledger: h.ledger, Shop: h.catalog, Rules: c.Rules, Channels: c.Channels, Rates: c.Rates, Next: h.nextLine,
		Clock: c.Clock, Log: c.Log, Meter: c.Meter, Ticked: h.ticked, Polls: pollTimer,
		Kept: func(p otn.PersonID) (ledger.Erasure, error) { return keptOf(h.ledger, p) },
	})
	h.intake = &intake.Intake{
		Ledger: h.ledger, Catalog: h.catalog, Rules: h.dispatch.Current, Path: path{h.dispatch}, Now: c.Clock.Now, Ticked: h.ticked, Log: c.Log, Meter: c.Meter,
	}
	h.hooks = h.intake.Hooks(receivers(c))
	if r := h.ledger.Recovered(); r.Claims > 0 {
		c.Log.Warn("an earlier daemon ended in the middle", "claims", r.Claims, "whole", r.Whole, "settled", r.Settled, "doubtful", r.Doubtful)
	}
	return nil
}

// engine opens what keeps the bytes.
func (h *Host) engine() (ledger.Engine, error) {
	switch c := h.config; {
	case c.Engine != nil:
		return c.Engine, nil
	case c.Memory != nil:
		return c.Memory.disk.Open()
	default:
		return pebble.Open(c.Dir, pebble.Options{OnTrouble: h.trouble, OnFatal: h.fatal, OnWrite: h.written()})
	}
}

// trouble and fatal are what the store says of itself. A fatal one ends Run: the failed write does.
func (h *Host) trouble(err error) {
	h.config.Log.Warn("the store is in trouble", "error", err)
	h.step(otn.Step{Kind: otn.TroubleStep, Began: h.config.Clock.Now(), Failed: true})
}
func (h *Host) fatal(err error) { h.config.Log.Error("the store can go on no longer", "error", err) }

// receivers are all instances that may be called: the sources, and the channels that take webhooks.
func receivers(c Config) map[string]otn.Receiver {
	all := maps.Clone(c.Sources)
	if all == nil {
		all = map[string]otn.Receiver{}
	}
	for name, ch := range c.Channels {
		if r, ok := ch.(otn.Receiver); ok {
			all[name] = r
		}
	}
	return all
}

// Hooks answers /hooks/{instance} and below it, for a server of your own. Before the store is open it answers 503.
func (h *Host) Hooks() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := h.isOpen(); err != nil {
			w.Header().Set("Retry-After", "1")
			http.Error(w, "not available now", http.StatusServiceUnavailable)
			return
		}
		h.hooks.ServeHTTP(w, r)
	})
}

// await returns when the store is open, or says that it is not. A Host that nobody runs is waited for a while: Run is often
// called in a goroutine of its own, a moment later.
func (h *Host) await(ctx context.Context) error {
	if err := h.isOpen(); !errors.Is(err, errNotYet) {
		return err
	}
	late := time.NewTimer(runWithin)
	defer late.Stop()
	for {
		select {
		case <-h.ready:
			return nil
		case <-h.ended:
			return errEnded
		case <-ctx.Done():
			return ctx.Err()
		case <-late.C:
			if !h.ran.Load() {
				return fmt.Errorf("core: nobody runs this host, call Run beside it: %w", otn.ErrUnavailable)
			}
		}
	}
}

// runWithin is how long a call waits for a Host that nobody runs.
const runWithin = 5 * time.Second

// isOpen is await for callers that do not wait.
func (h *Host) isOpen() error {
	select {
	case <-h.ended:
		return errEnded
	default:
	}
	select {
	case <-h.ready:
		return nil
	default:
		return errNotYet
	}
}

var (
	errEnded  = fmt.Errorf("core: the host has ended: %w", otn.ErrUnavailable)
	errNotYet = fmt.Errorf("core: the host does not run yet: %w", otn.ErrUnavailable)
)

// path is dispatch as the doors see it.
type path struct{ *dispatch.Dispatch }

func (path) Trigger(t otn.Trigger, person *otn.PersonID, now time.Time) *ledger.Entry {
	return dispatch.TriggerEntry(t, person, now)
}

func (path) StopDoc(id otn.TokenID, now time.Time) *ledger.Doc { return dispatch.StopDoc(id, now) }
