// Sends that are not due yet: shown, edited, cancelled; what is sent is what was said last.

package core_test

import (
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/otn"
)

func TestEditSend(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		w.start()
		w.grant("ann", "news", "")
		ctx := t.Context()
		due := time.Now().Add(2 * time.Hour)
		a, err := w.host.Send(ctx, core.SendRequest{Topic: "news", Key: "k", At: due, Message: otn.Message{Text: "first"}})
		if err != nil {
			t.Fatal(err)
		}
		list, err := w.host.Sends()
		if err != nil || len(list) != 1 || list[0].ID != a.ID || list[0].Run != a.Runs[0] || list[0].Message.Text != "first" || !list[0].At.Equal(due) {
			t.Fatalf("%+v %v", list, err)
		}
		for _, id := range []string{a.ID, a.Runs[0]} {
			if v, err := w.host.Scheduled(id); err != nil || v.Reaches != 1 || v.Topic != "news" {
				t.Errorf("%s: %+v %v", id, v, err)
			}
		}
		// The text alone: the same moment, the same run.
		v, err := w.host.EditSend(ctx, a.ID, core.SendChange{Message: &otn.Message{Text: "second"}})
		if err != nil || v.Run != a.Runs[0] || v.Message.Text != "second" || v.Reaches != 1 {
			t.Fatalf("%+v %v", v, err)
		}
		w.restart()
		// The moment: another run, and the same key again is told of that one.
		later := due.Add(time.Hour)
		v, err = w.host.EditSend(ctx, v.Run, core.SendChange{At: later})
		if err != nil || v.Run == a.Runs[0] || v.Message.Text != "second" {
			t.Fatalf("%+v %v", v, err)
		}
		again, err := w.host.Send(ctx, core.SendRequest{Topic: "news", Key: "k", At: due, Message: otn.Message{Text: "first"}})
		if err != nil || !again.Duplicate || !again.At.Equal(later) {
			t.Errorf("%+v %v", again, err)
		}
		w.after(2*time.Hour + time.Minute)
		want(t, "told at the old moment", len(shop.accepted()), 0)
		w.after(time.Hour)
		if got := shop.accepted(); len(got) != 1 || got[0].Message.Text != "second" {
			t.Fatalf("%+v", got)
		}
		for _, err := range []error{
			second(w.host.EditSend(ctx, a.ID, core.SendChange{At: time.Now().Add(time.Hour)})),
			second(w.host.Scheduled(a.ID)), second(w.host.CancelSend(ctx, a.ID)),
		} {
			if !errors.Is(err, otn.ErrNotFound) {
				t.Errorf("a send that is made: %v", err)
			}
		}
		if list, err := w.host.Sends(); err != nil || len(list) != 0 {
			t.Errorf("%+v %v", list, err)
		}
	})
}

func second[T any](_ T, err error) error { return err }

// An edit that becomes true in the very moment in which the send is due holds, although its timer is on its way already.
func TestEditSendAtTheLastMoment(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		var slow atomic.Bool
		w.disk = errorfs.Wrap(w.disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && slow.Swap(false) {
				time.Sleep(time.Nanosecond) // now it is due
				for range 10_000 {
					runtime.Gosched() // and the clock goroutine hands its timer over
				}
			}
			return nil
		}))
		shop := w.fake("shop")
		w.start()
		w.grant("ann", "news", "")
		due := time.Now().Add(30 * time.Minute) // within the horizon: the clock goroutine has read the timer
		a, err := w.host.Send(t.Context(), core.SendRequest{Topic: "news", Key: "k", At: due, Message: otn.Message{Text: "first"}})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(30*time.Minute - time.Nanosecond)
		slow.Store(true)
		if _, err := w.host.EditSend(t.Context(), a.ID, core.SendChange{Message: &otn.Message{Text: "second"}}); err != nil {
			t.Fatal(err)
		}
		if slow.Load() || time.Now().Before(due) {
			t.Fatal("the edit was not slow")
		}
		w.after(time.Minute)
		if got := shop.accepted(); len(got) != 1 || got[0].Message.Text != "second" {
			t.Errorf("%+v", got)
		}
	})
}

func TestEditSendRefusals(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		w.start()
		w.grant("ann", "news", "")
		ctx := t.Context()
		a, err := w.host.Send(ctx, core.SendRequest{Topic: "news", Key: "k", At: time.Now().Add(time.Hour), Message: otn.Message{Text: "first"}})
		if err != nil {
			t.Fatal(err)
		}
		if err := second(w.host.EditSend(ctx, a.ID, core.SendChange{At: time.Now().Add(-time.Minute)})); !errors.Is(err, otn.ErrInvalid) {
			t.Errorf("a moment that has passed: %v", err)
		}
		if err := second(w.host.EditSend(ctx, a.ID, core.SendChange{Message: &otn.Message{}})); !errors.Is(err, otn.ErrInvalid) {
			t.Errorf("an empty message: %v", err)
		}
		if v, err := w.host.Scheduled(a.ID); err != nil || v.Message.Text != "first" {
			t.Errorf("%+v %v", v, err)
		}
		v, err := w.host.CancelSend(ctx, a.ID)
		if err != nil || v.State != "cancelled" {
			t.Fatalf("%+v %v", v, err)
		}
		w.after(2 * time.Hour)
		want(t, "told", len(shop.accepted()), 0)
	})
}
