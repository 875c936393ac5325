// What happens when Pebble cannot go on: the engine dies, nothing is acknowledged, the process lives.

package pebble

import (
	"errors"
	"fmt"
	"runtime"
	"strings"

	"github.com/cockroachdb/pebble/v2"

	"github.com/onetimenotify/otn/core/otn"
)

// fatal is what Fatalf throws through Pebble up to guard.
type fatal struct{ err error }

// logger is Pebble's logger. Only its last word matters: events tell the rest.
type logger struct{ e *engine }

func (logger) Infof(string, ...any)  {}
func (logger) Errorf(string, ...any) {}

// Fatalf ends the engine and does not return, as Pebble demands. Under a call of ours it unwinds to guard, which
// answers with the error; in a goroutine of Pebble's own it ends that goroutine.
func (l logger) Fatalf(format string, args ...any) {
	err := lastWord(format, args)
	if guarded() {
		panic(fatal{l.e.die(err)})
	}
	first := l.e.kill(err)
	l.e.once.Do(func() { close(l.e.stuck) })
	l.e.announce(first)
	runtime.Goexit()
}

// lastWord is what Fatalf says as an error that still knows its cause.
func lastWord(format string, args []any) error {
	text := fmt.Sprintf(format, args...)
	for _, a := range args {
		if cause, ok := a.(error); ok {
			return &death{text, cause}
		}
	}
	return errors.New(text)
}

type death struct {
	text  string
	cause error
}

func (d *death) Error() string { return d.text }
func (d *death) Unwrap() error { return d.cause }

// guarded reports whether guard or bury is among the callers.
func guarded() bool {
	pcs := make([]uintptr, 128)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	for {
		f, more := frames.Next()
		if strings.HasSuffix(f.Function, "core/ledger/pebble.(*engine).guard") || strings.Contains(f.Function, "core/ledger/pebble.(*engine).bury.func") {
			return true
		}
		if !more {
			return false
		}
	}
}

// guard is the border: a dead engine is not called, what Fatalf throws ends here, and errors are those of the store.
func (e *engine) guard(call func() error) (err error) {
	if dead := e.dead.Load(); dead != nil {
		return *dead
	}
	defer func() {
		if thrown := recover(); thrown != nil {
			f, ours := thrown.(fatal)
			if !ours {
				panic(thrown)
			}
			err = f.err
		}
	}()
	if err = call(); err != nil && !errors.Is(err, otn.ErrStore) {
		err = fmt.Errorf("%w: %w", otn.ErrStore, err)
	}
	return err
}

// bury closes what is left of a dead store, so that its goroutines end. When a goroutine of Pebble's own died, it holds
// what Close would wait for, and the rest of them stays until the process ends.
func (e *engine) bury() {
	_ = e.unlessStuck(func() error {
		defer func() {
			if thrown := recover(); thrown != nil {
				if _, ours := thrown.(fatal); !ours {
					panic(thrown)
				}
			}
		}()
		return e.db.Close()
	})
}

// unlessStuck closes, and waits for it until a goroutine of Pebble's own has died: what that one held is never let go.
func (e *engine) unlessStuck(closing func() error) error {
	select {
	case <-e.stuck:
		return nil
	default:
	}
	done := make(chan error, 1)
	go func() { done <- closing() }()
	select {
	case err := <-done:
		return err
	case <-e.stuck:
		return nil
	}
}

// die makes every later call fail, and tells OnFatal the first time.
func (e *engine) die(err error) error {
	e.announce(e.kill(err))
	return *e.dead.Load()
}

// kill makes every later call fail, and reports whether it was the first to do so.
func (e *engine) kill(err error) (first bool) {
	if !errors.Is(err, otn.ErrStore) {
		err = fmt.Errorf("%w: %w", otn.ErrStore, err)
	}
	return e.dead.CompareAndSwap(nil, &err)
}

// announce tells OnFatal of the first death.
func (e *engine) announce(first bool) {
	if first && e.options.OnFatal != nil {
		e.options.OnFatal(*e.dead.Load())
	}
}

func (e *engine) trouble(err error) {
	if e.options.OnTrouble != nil && err != nil {
		e.options.OnTrouble(err)
	}
}

// listener hears of what Pebble does by itself. Rotten data ends the engine: what else is rotten, nobody knows.
func (e *engine) listener() *pebble.EventListener {
	return &pebble.EventListener{
		BackgroundError: e.trouble,
		DataCorruption: func(i pebble.DataCorruptionInfo) {
			_ = e.die(fmt.Errorf("the store is damaged: %s", i))
		},
		DiskSlow: func(i pebble.DiskSlowInfo) { e.trouble(fmt.Errorf("the disk is slow: %s", i)) },
		WriteStallBegin: func(i pebble.WriteStallBeginInfo) {
			e.trouble(fmt.Errorf("writes wait for the disk: %s", i))
		},
	}
}
