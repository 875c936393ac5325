// Where checks report to: a test, or whoever runs them outside of one.

package channeltest

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

// T is what a check reports to. *testing.T is one.
type T interface {
	Helper()
	Context() context.Context
	Cleanup(f func())
	Error(args ...any)
	Errorf(format string, args ...any)
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	Skip(args ...any)
}

// Result is what came of one check.
type Result struct {
	Check   string        `json:"check"`
	Faults  []string      `json:"faults,omitempty"`
	Skipped string        `json:"skipped,omitempty"` // why it was not made
	Took    time.Duration `json:"-"`
}

// maxFaults is how many faults of one check are told.
const maxFaults = 5

// OK reports whether the check found nothing.
func (r *Result) OK() bool { return len(r.Faults) == 0 }

// bench is a T outside of a test: one check of its own.
type bench struct {
	ctx context.Context

	mu       sync.Mutex
	result   Result
	cleanups []func()
}

// examine makes one check on a goroutine of its own, which Fatal and Skip end.
func examine(ctx context.Context, name string, run func(T)) Result {
	ctx, cancel := context.WithCancel(ctx)
	b := &bench{ctx: ctx, result: Result{Check: name}}
	began := time.Now()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if p := recover(); p != nil {
				b.Errorf("the check itself panicked: %v", p)
			}
		}()
		run(b)
	}()
	<-done
	cancel()
	for _, f := range slices.Backward(b.cleanups) {
		f()
	}
	b.result.Took = time.Since(began)
	return b.result
}

func (b *bench) Helper()                  {}
func (b *bench) Context() context.Context { return b.ctx }

// Cleanup calls f when the check is over, the last one first.
func (b *bench) Cleanup(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cleanups = append(b.cleanups, f)
}

// Error notes a fault.
func (b *bench) Error(args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch n := len(b.result.Faults); {
	case n < maxFaults:
		b.result.Faults = append(b.result.Faults, strings.TrimSuffix(fmt.Sprintln(args...), "\n"))
	case n == maxFaults:
		b.result.Faults = append(b.result.Faults, "and more of the kind")
	}
}

// Errorf notes a fault.
func (b *bench) Errorf(format string, args ...any) { b.Error(fmt.Sprintf(format, args...)) }

// Fatal notes a fault and ends the check.
func (b *bench) Fatal(args ...any) { b.Error(args...); runtime.Goexit() }

// Fatalf notes a fault and ends the check.
func (b *bench) Fatalf(format string, args ...any) { b.Errorf(format, args...); runtime.Goexit() }

// Skip ends the check without a fault.
func (b *bench) Skip(args ...any) {
	b.mu.Lock()
	b.result.Skipped = fmt.Sprint(args...)
	b.mu.Unlock()
	runtime.Goexit()
}
