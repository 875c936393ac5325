// Calls: what happens once, what is answered as before, and what is known of a call after a death.

package core_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core"
)

func entry(request string) core.AuditEntry {
	return core.AuditEntry{Key: "k1", From: "192.0.2.1", Act: "send", What: "news", Request: request}
}

func TestCallIsAnsweredAsBefore(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.start()
		ctx := context.Background()
		call := core.Call{Entry: entry("q1"), Repeat: "order-1", Asked: []byte("a")}
		begun, kept, err := w.host.BeginCall(ctx, call)
		if err != nil || kept != nil {
			t.Fatal(kept, err)
		}
		if _, _, err := w.host.BeginCall(ctx, call); !errors.Is(err, core.ErrUnderWay) {
			t.Errorf("under way: %v", err)
		}
		answer := &core.CallAnswer{Status: 202, Type: "application/json", Body: []byte(`{"run":"r1"}`)}
		if err := w.host.EndCall(ctx, begun, "news r1", "done", answer); err != nil {
			t.Fatal(err)
		}
		w.restart()
		_, kept, err = w.host.BeginCall(ctx, call)
		if err != nil || kept == nil || kept.Status != 202 || kept.Type != "application/json" || string(kept.Body) != `{"run":"r1"}` {
			t.Fatalf("%+v %v", kept, err)
		}
		other := call
		other.Asked = []byte("b")
		if _, _, err := w.host.BeginCall(ctx, other); !errors.Is(err, core.ErrOtherCall) {
			t.Errorf("another call: %v", err)
		}
		stranger := call
		stranger.Entry.Key = "k2"
		begun, kept, err = w.host.BeginCall(ctx, stranger)
		if err != nil || kept != nil {
			t.Fatalf("another key is answered with %+v %v", kept, err)
		}
		if err := w.host.EndCall(ctx, begun, "", "refused", nil); err != nil { // an answer that is not kept
			t.Fatal(err)
		}
		if begun, kept, err = w.host.BeginCall(ctx, stranger); err != nil || kept != nil {
			t.Fatalf("%+v %v", kept, err)
		}
		if err := w.host.EndCall(ctx, begun, "", "done", nil); err != nil {
			t.Fatal(err)
		}
		list, _, err := w.host.Audit(core.AuditQuery{})
		if err != nil || len(list) != 3 || list[2].What != "news r1" || list[2].Outcome != "done" || list[1].Outcome != "refused" || list[1].What != "news" {
			t.Errorf("%+v %v", list, err)
		}
		time.Sleep(core.KeepAnswers)
		if begun, kept, err = w.host.BeginCall(ctx, other); err != nil || kept != nil {
			t.Fatalf("a day later: %+v %v", kept, err)
		}
		if err := w.host.EndCall(ctx, begun, "", "done", answer); err != nil {
			t.Fatal(err)
		}
	})
}

// An answer that is not kept: the key is bound to the call, which happens again.
func TestCallThatIsNotKept(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.start()
		ctx := context.Background()
		call := core.Call{Entry: entry("q1"), Repeat: "order-1", Asked: []byte("a")}
		for range 2 {
			begun, kept, err := w.host.BeginCall(ctx, call)
			if err != nil || kept != nil {
				t.Fatalf("%+v %v", kept, err)
			}
			if err := w.host.EndCall(ctx, begun, "", "done", &core.CallAnswer{}); err != nil {
				t.Fatal(err)
			}
			w.restart()
		}
		call.Asked = []byte("b")
		if _, _, err := w.host.BeginCall(ctx, call); !errors.Is(err, core.ErrOtherCall) {
			t.Errorf("another call: %v", err)
		}
	})
}

// What is kept for a repeated call is sealed, and is gone after a day and the sweep behind it.
func TestKeptAnswersAreSealedAndSwept(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.start()
		ctx := context.Background()
		begun, _, err := w.host.BeginCall(ctx, core.Call{Entry: entry("q1"), Repeat: "order-1", Asked: []byte("a")})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.host.EndCall(ctx, begun, "", "done", &core.CallAnswer{Status: 201, Body: []byte("secret-canary")}); err != nil {
			t.Fatal(err)
		}
		rows := func() (n int, text string) {
			w.stop()
			w.kept("repeat/", func(value []byte) {
				var row struct{ Sealed []byte } // which JSON keeps in base64
				if err := json.Unmarshal(value, &row); err != nil {
					t.Error(err)
				}
				n++
				text += string(value) + string(row.Sealed)
			})
			w.start()
			return n, text
		}
		if n, text := rows(); n != 1 || strings.Contains(text, "canary") || strings.Contains(text, "order-1") {
			t.Errorf("%d rows: %s", n, text)
		}
		time.Sleep(core.KeepAnswers + 7*time.Hour)
		if n, _ := rows(); n != 0 {
			t.Errorf("%d rows are left", n)
		}
	})
}

// A death in the middle: the log says that nobody knows how the call ended, and the same call may happen again.
func TestCallOfADeadDaemon(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.start()
		ctx := context.Background()
		call := core.Call{Entry: entry("q1"), Repeat: "order-1", Asked: []byte("a")}
		if _, _, err := w.host.BeginCall(ctx, call); err != nil {
			t.Fatal(err)
		}
		w.price("SKU-1", "9.00 USD") // what the call does is on disk, and so is its beginning
		w.restart()
		list, _, err := w.host.Audit(core.AuditQuery{})
		if err != nil || len(list) != 1 || list[0].Outcome != "unknown" || list[0].Act != "send" || list[0].Request != "q1" {
			t.Fatalf("%+v %v", list, err)
		}
		other := call
		other.Asked = []byte("b")
		if _, _, err := w.host.BeginCall(ctx, other); !errors.Is(err, core.ErrOtherCall) {
			t.Errorf("another call under the key of one that was begun: %v", err)
		}
		begun, kept, err := w.host.BeginCall(ctx, call)
		if err != nil || kept != nil {
			t.Fatalf("%+v %v", kept, err)
		}
		if err := w.host.EndCall(ctx, begun, "", "done", nil); err != nil {
			t.Fatal(err)
		}
		w.restart()
		if list, _, err := w.host.Audit(core.AuditQuery{}); err != nil || len(list) != 2 {
			t.Errorf("%+v %v", list, err)
		}
	})
}
