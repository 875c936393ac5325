// Deaths within a call, at every write of it: the audit log knows of whatever the call did, and who repeats it gets one of it.

package core_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// called is a call that sends, as the door makes it. It reports whether it was answered, and with what was kept.
func called(h *core.Host, l *life, request string) (answered bool, kept *core.CallAnswer, err error) {
	ctx := context.Background()
	begun, kept, err := h.BeginCall(ctx, core.Call{Entry: entry(request), Repeat: "order-1", Asked: []byte("a")})
	if err != nil || kept != nil {
		return false, kept, err
	}
	at := time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)
	if _, err = h.Send(ctx, core.SendRequest{Topic: "news", Key: "order-1", At: at, Message: otn.Message{Text: "hello"}}); err == nil {
		err = h.EndCall(ctx, begun, "", "done", &core.CallAnswer{Status: 202, Body: []byte("made")})
	}
	return err == nil && !l.isOver(), nil, err
}

func TestDeathInCall(t *testing.T) {
	writes := dieInCall(t, death{})
	if writes < 8 {
		t.Fatalf("only %d writes: the scenario does nothing", writes)
	}
	for k := int64(1); k <= writes; k++ {
		for _, unsynced := range []int{0, 50, 100} {
			dieInCall(t, death{at: k, unsynced: unsynced})
		}
	}
}

func dieInCall(t *testing.T, d death) (writes int64) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := &platform{took: map[otn.TokenID]int{}, rules: shopRules{text: "now"}}
		key := ledger.NewKey()
		disk, marks := made(t)
		answered := false
		disk, marks, writes = live(t, disk, marks, key, p, d, func(l *life, h *core.Host) { answered, _, _ = called(h, l, "q1") })
		live(t, disk, marks, key, p, death{}, func(l *life, h *core.Host) {
			sends, err := h.Sends()
			if err != nil {
				t.Fatal(err)
			}
			outcomes := func() (list []string) {
				entries, _, err := h.Audit(core.AuditQuery{Act: "send"})
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range entries {
					list = append(list, e.Request+" "+e.Outcome)
				}
				return list
			}
			before := outcomes()
			switch {
			case len(sends) > 0 && len(before) != 1:
				t.Errorf("%+v: the call did what it should, and the log says %q", d, before)
			case answered && (len(sends) != 1 || before[0] != "q1 done"):
				t.Errorf("%+v: answered, and then there are %d sends, and the log says %q", d, len(sends), before)
			}
			_, kept, err := called(h, l, "q2")
			if err != nil || answered && (kept == nil || string(kept.Body) != "made") {
				t.Errorf("%+v: repeated: %+v %v, answered before %v", d, kept, err, answered)
			}
			if sends, err = h.Sends(); err != nil || len(sends) != 1 {
				t.Errorf("%+v: repeated, and then there are %d sends, %v", d, len(sends), err)
			}
			if r, err := h.VerifyAudit(context.Background(), 0, ""); err != nil || len(r.Faults) > 0 {
				t.Errorf("%+v: %+v %v", d, r, err)
			}
		})
	})
	return writes
}
