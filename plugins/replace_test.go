// A new process in the running one's place: nothing is lost, nothing is twice, and the old one stays where the new cannot be had.

package plugins_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins"
	"github.com/onetimenotify/otn/plugins/channel"
	"github.com/onetimenotify/otn/plugins/mock"
)

// Under load, replaced again and again: every delivery is sent, once.
func TestReplaceLosesNothing(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out.jsonl")
	p := launch(t, plugins.Spec{Config: config(t, mock.Config{Out: out, MaxInFlight: 16, Script: []mock.Step{{Do: mock.Slow, After: channel.Duration(2 * time.Millisecond)}}})})
	ready(t, p)
	first := p.State().PID
	var sent atomic.Int64
	var tasks sync.WaitGroup
	stop := make(chan struct{})
	for range 32 {
		tasks.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := p.Send(t.Context(), delivery(int(sent.Add(1)))); err != nil {
					t.Errorf("Send: %v", err)
				}
			}
		})
	}
	for range 3 {
		if err := p.Replace(t.Context()); err != nil {
			t.Errorf("Replace: %v", err)
		}
	}
	close(stop)
	tasks.Wait()
	lines, err := mock.ReadFile(out)
	seen := map[otn.DeliveryID]bool{}
	for _, l := range lines {
		seen[l.Delivery] = true
	}
	if err != nil || int64(len(lines)) != sent.Load() || len(seen) != len(lines) {
		t.Errorf("%d deliveries, %d lines of %d, %v", sent.Load(), len(lines), len(seen), err)
	}
	if m := p.Metrics(); m.Replaced != 3 || m.Starts != 4 || m.Crashes != 0 || m.Answers[otn.Sent] != sent.Load() {
		t.Errorf("metrics %+v", m)
	}
	until(t, "the first process is gone", gone(first))
	if s := p.State(); s.Restarts != 0 || s.Phase != plugins.Ready {
		t.Errorf("state %+v", s)
	}
}

// A program that is worse than the one it should replace changes nothing.
func TestReplaceByWhatCannotRun(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "mock")
	write := func(body string) {
		next := program + ".new"
		if err := errors.Join(os.WriteFile(next, []byte("#!/bin/sh\n"+body+"\n"), 0o755), os.Rename(next, program)); err != nil {
			t.Fatal(err)
		}
	}
	write("exec " + self(t, "")[0] + " mock")
	p := launch(t, plugins.Spec{Command: []string{program}, StartTimeout: 20 * time.Second})
	ready(t, p)
	pid := p.State().PID
	for _, body := range []string{"exit 1", "exec " + self(t, "")[0] + " chatty"} {
		write(body)
		if err := p.Replace(t.Context()); err == nil || p.State().PID != pid || p.State().Phase != plugins.Ready {
			t.Errorf("%s: %v, state %+v", body, err, p.State())
		}
		if _, err := p.Send(t.Context(), delivery(1)); err != nil {
			t.Errorf("%s: Send: %v", body, err)
		}
	}
	write("exec " + self(t, "")[0] + " mock")
	if err := p.Replace(t.Context()); err != nil || p.State().PID == pid {
		t.Errorf("a good one: %v", err)
	}
}

func TestReplaceOfWhatDoesNotRun(t *testing.T) {
	p := launch(t, plugins.Spec{Command: self(t, "dies"), Backoff: time.Hour})
	until(t, "backs off", inPhase(p, plugins.Backoff))
	if err := p.Replace(t.Context()); !errors.Is(err, otn.ErrUnavailable) {
		t.Errorf("Replace: %v", err)
	}
	if m := p.Metrics(); m.Starts != 1 || m.Crashes != 1 {
		t.Errorf("metrics %+v", m)
	}
}

// A webhook that is under way in the old process is answered by it.
func TestReplaceLetsWebhooksEnd(t *testing.T) {
	p := launch(t, plugins.Spec{Command: self(t, "hanger"), Config: []byte(`{"for":"300ms"}`)})
	ready(t, p)
	pid := p.State().PID
	answered := make(chan error, 1)
	go func() {
		resp, _, err := p.Receive(t.Context(), otn.Request{Method: http.MethodPost})
		if err == nil && resp.Status != http.StatusTeapot {
			err = errors.New(string(resp.Body))
		}
		answered <- err
	}()
	time.Sleep(50 * time.Millisecond) // it is inside by now: another process cannot signal
	if err := p.Replace(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-answered; err != nil {
		t.Errorf("Receive: %v", err)
	}
	until(t, "the old process is gone", gone(pid))
}

func TestLatenciesAreCounted(t *testing.T) {
	p := launch(t, plugins.Spec{Config: config(t, mock.Config{MaxInFlight: 1, Script: []mock.Step{
		{Do: mock.Slow, Times: 1, After: channel.Duration(60 * time.Millisecond)}, {Do: mock.Refuse, Times: 1}, {Do: mock.Hang, Times: 1},
	}})})
	ready(t, p)
	for n := range 4 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		_, _ = p.Send(ctx, delivery(n))
		cancel()
	}
	m := p.Metrics()
	if m.Answers != [...]int64{otn.Unknown: 1, otn.Sent: 2, otn.Refused: 1, otn.Invalid: 0} {
		t.Errorf("answers %v", m.Answers)
	}
	total, slow, bounds := int64(0), int64(0), plugins.Bounds()
	for i, n := range m.Latency.Counts {
		total += n
		if i >= len(bounds) || bounds[i] > 60*time.Millisecond {
			slow += n
		}
	}
	if total != 4 || slow < 2 || m.Latency.Sum < time.Second {
		t.Errorf("latencies %+v", m.Latency)
	}
}
