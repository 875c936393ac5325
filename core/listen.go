// Instances that listen: one goroutine each, which holds the connection, writes down what is heard, and begins anew when it breaks.

package core

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/onetimenotify/otn/core/intake"
	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// How long a listener waits before it begins anew: doubling with each time in a row that it heard nothing.
const (
	firstListen = time.Second
	lastListen  = 5 * time.Minute
)

// heardState is where a listener has got to, as a document: written in the batch of what was heard, by its goroutine alone.
type heardState struct {
	Cursor string `json:"cursor,omitempty"`
}

func heardKey(instance string) string { return "heard/" + instance }

// listener hears one instance.
type listener struct {
	host *Host
	name string
	from otn.Listener

	mu   sync.Mutex
	view ListenView
}

// makeListeners makes a listener for each instance that could listen. Whether one does is known when it is asked.
func (h *Host) makeListeners() {
	h.listeners = map[string]*listener{}
	add := func(name string, instance any) {
		if from, ok := instance.(otn.Listener); ok {
			h.listeners[name] = &listener{host: h, name: name, from: from}
		}
	}
	for name, p := range h.config.Polls {
		add(name, p.Poller)
	}
	for name, s := range h.config.Sources {
		add(name, s)
	}
	for name, ch := range h.config.Channels {
		add(name, ch)
	}
}

// run listens until ctx is done. A connection that is lost is opened again, later and later while nothing is heard. An error is
// the store's.
func (l *listener) run(ctx context.Context) error {
	for failures := 0; ctx.Err() == nil; {
		at, err := l.cursor()
		if err != nil {
			return err
		}
		before := l.records()
		err = l.listen(ctx, at)
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, otn.ErrStore) {
			return err
		}
		if failures++; l.records() > before {
			failures = 1
		}
		wait := listenWait(failures, err)
		l.ended(failures, wait, err)
		l.rest(ctx, wait)
	}
	return nil
}

// listenWait is what the other side asked for, or as long as befits so many failures in a row.
func listenWait(failures int, err error) time.Duration {
	if se := (*otn.SendError)(nil); errors.As(err, &se) && se.After > 0 {
		return se.After
	}
	return min(firstListen<<min(failures-1, 16), lastListen)
}

func (l *listener) rest(ctx context.Context, wait time.Duration) {
	clock := l.host.config.Clock
	for until := clock.Now().Add(wait); ctx.Err() == nil && clock.Now().Before(until); {
		clock.Wait(ctx, until, nil)
	}
}

// listen is one listening. A listener that panics harms itself only.
func (l *listener) listen(ctx context.Context, cursor string) (err error) {
	defer func() {
		if p := recover(); p != nil {
			l.host.config.Log.Error("a listener panicked", "instance", l.name, "panic", p)
			err = errors.New("the listener panicked")
		}
	}()
	l.change(func(v *ListenView) { v.Listening, v.Since, v.Next = true, l.host.config.Clock.Now(), time.Time{} })
	var failed error // of the store: the listener may hide it
	err = l.from.Listen(ctx, cursor, func(next string, records ...otn.Record) error {
		err := l.keep(ctx, next, records)
		if errors.Is(err, otn.ErrStore) {
			failed = err
		}
		return err
	})
	return errors.Join(failed, err)
}

// keep writes down what was heard, the cursor with the last of it. Whatever is written can be written again.
func (l *listener) keep(ctx context.Context, next string, records []otn.Record) error {
	if len(next) > otn.MaxCursor || len(records) > otn.MaxHeard {
		return fmt.Errorf("core: %s: %d records and a cursor of %d bytes at once, at most %d and %d: %w", l.name, len(records), len(next), otn.MaxHeard, otn.MaxCursor, otn.ErrInvalid)
	}
	doc := ledger.Doc{Key: heardKey(l.name), Value: mustJSON(heardState{Cursor: next}), Expect: ledger.Any}
	refused := 0
	for rest := records; ; {
		chunk := rest[:min(len(rest), recordsAtOnce)]
		rest = rest[len(chunk):]
		var with intake.Together
		if len(rest) == 0 {
			with = add([]ledger.Doc{doc})
		}
		so, err := l.host.intake.WriteWith(ctx, l.name, with, chunk...)
		if err != nil {
			return err
		}
		refused += so.Refused
		if len(rest) == 0 {
			break
		}
	}
	l.change(func(v *ListenView) {
		v.Records += len(records)
		v.Refused += refused
		v.Failures, v.Error = 0, ""
		if len(records) > 0 {
			v.Heard = l.host.config.Clock.Now()
		}
	})
	l.host.ticked()
	return nil
}

// cursor is where the listener has got to.
func (l *listener) cursor() (string, error) {
	var s heardState
	doc, ok, err := l.host.ledger.Doc(heardKey(l.name))
	if err == nil && ok {
		err = json.Unmarshal(doc.Value, &s)
	}
	if err != nil {
		return "", fmt.Errorf("core: listener %s: %w: %w", l.name, err, otn.ErrStore)
	}
	return s.Cursor, nil
}

// ended keeps why a listening ended, and logs it where it is news.
func (l *listener) ended(failures int, wait time.Duration, err error) {
	text := "it ended"
	if err != nil {
		text = clipped(err.Error())
	}
	fresh := false
	l.change(func(v *ListenView) {
		fresh = v.Error != text
		v.Listening, v.Failures, v.Error, v.Next = false, failures, text, l.host.config.Clock.Now().Add(wait)
	})
	if fresh {
		l.host.config.Log.Warn("a listening ended", "instance", l.name, "error", text, "again_in", wait)
	}
}

func (l *listener) change(with func(*ListenView)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	with(&l.view)
}

func (l *listener) records() int { return l.stands().Records }

// stands is how the listening goes.
func (l *listener) stands() ListenView {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.view
}

// hears adds to a view how its listening goes, where it listens.
func (h *Host) hears(v *InstanceView, listens bool) {
	l := h.listeners[v.Name]
	if l == nil || !listens || h.isOpen() != nil {
		return
	}
	stands := l.stands()
	if v.Listen = &stands; !stands.Listening && stands.Error != "" && v.State == "ready" {
		v.State, v.LastError = "degraded", stands.Error
	}
}

// listening starts the listeners.
func (h *Host) listening(start func(func(context.Context) error)) {
	for _, name := range slices.Sorted(maps.Keys(h.listeners)) {
		start(h.listeners[name].run)
	}
}
