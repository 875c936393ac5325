// The clock knows when nobody has anything left to do, and moves nobody past their moment.

package ruletest

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"time"
)

// Loops that wake each other many times over are idle only when the last ring has been heard.
func TestIdleIsExact(t *testing.T) {
	for range 200 {
		c := newClock(time.Unix(0, 0))
		ctx, stop := context.WithCancel(t.Context())
		wakes := []chan struct{}{make(chan struct{}, 1), make(chan struct{}, 1), make(chan struct{}, 1)}
		left := make([]int, len(wakes))
		var all sync.WaitGroup
		for i := range wakes {
			all.Go(func() {
				for ctx.Err() == nil {
					c.Wait(ctx, time.Time{}, wakes[i])
					if ctx.Err() != nil || left[i] == 0 {
						continue
					}
					left[i]--
					select {
					case wakes[(i+1)%len(wakes)] <- struct{}{}:
					default:
					}
				}
			})
		}
		c.idle(len(wakes), nil)
		for i := range left {
			left[i] = 20
		}
		wakes[0] <- struct{}{}
		c.idle(len(wakes), nil)
		if left[0] != 0 || left[1] != 0 || left[2] != 0 {
			t.Fatalf("idle with %v left to do", left)
		}
		stop()
		all.Wait()
	}
}

// Who is asked first may be woken by who is asked next.
func TestIdleAsksTwice(t *testing.T) {
	for range 20 { // they are asked in any order
		c, wake, work := newClock(time.Unix(0, 0)), make(chan struct{}, 1), make(chan struct{})
		ctx, stop := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() {
			c.Wait(ctx, time.Time{}, wake)
			<-work
			c.Wait(ctx, time.Time{}, nil)
		})
		late := c.rest(time.Time{}, nil) // works until it is asked, and wakes the other with the last that it does
		all.Go(func() {
			for first := true; ; first = false {
				select {
				case answer := <-late.asked:
					if first {
						wake <- struct{}{}
					}
					answer <- true
				case <-ctx.Done():
					return
				}
			}
		})
		idle := make(chan struct{})
		go func() { defer close(idle); c.idle(2, nil) }()
		early := false
		for range 100 {
			runtime.Gosched()
			select {
			case <-idle:
				early = true
			default:
			}
		}
		if early && len(wake) == 0 && len(c.those()) < 2 {
			t.Error("idle, and somebody was woken who still works")
		}
		close(work)
		<-idle
		stop()
		all.Wait()
	}
}

func TestAdvanceStopsAtEveryMoment(t *testing.T) {
	c := newClock(time.Unix(0, 0))
	ctx, stop := context.WithCancel(t.Context())
	var woken []int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		for next := int64(3); ctx.Err() == nil; next += 3 {
			c.Wait(ctx, time.Unix(next, 0), nil)
			if ctx.Err() == nil {
				woken = append(woken, c.Now().Unix())
			}
		}
	}()
	for to, due := time.Unix(10, 0), true; due; {
		c.idle(1, nil)
		var at time.Time
		at, due = c.next(to)
		c.set(at)
	}
	stop()
	<-done
	if len(woken) != 3 || woken[0] != 3 || woken[1] != 6 || woken[2] != 9 || c.Now().Unix() != 10 {
		t.Errorf("woken at %v, and it is %d", woken, c.Now().Unix())
	}
}

// A Host that has ended is never idle: who waits for it is told.
func TestIdleEnds(t *testing.T) {
	ended := make(chan struct{})
	close(ended)
	if newClock(time.Unix(0, 0)).idle(1, ended) {
		t.Error("idle, and nobody is there")
	}
}
