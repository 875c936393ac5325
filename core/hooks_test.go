// The public door: what is refused, what is repeated, and what happens when the store can take no more.

package core_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/ledger/pebble"
	"github.com/onetimenotify/otn/core/otn"
)

// source is a receiver that reads a body of "token subscriber topic subject" lines, a delivery id behind "echo ", or "price 99.00 USD".
type source struct{}

func (source) Receive(_ context.Context, r otn.Request) (otn.Response, []otn.Record, error) {
	switch {
	case r.Header.Get("Secret") != "s3cret":
		return otn.Response{Status: http.StatusUnauthorized}, nil, nil
	case r.Path == "/panic":
		panic("no idea")
	case r.Path == "/fault":
		return otn.Response{}, nil, errors.New("out of order")
	}
	var records []otn.Record
	for _, line := range strings.Split(strings.TrimSpace(string(r.Body)), "\n") {
		f := strings.Fields(line)
		switch f[0] {
		case "echo":
			id, err := otn.ParseDeliveryID(f[1])
			if err != nil {
				return otn.Response{Status: http.StatusBadRequest}, nil, nil
			}
			records = append(records, otn.Record{Echo: &otn.Echo{Kind: otn.Echoed, Delivery: id, ProviderID: "m"}})
		case "price":
			m, err := otn.ParseMoney(f[1] + " " + f[2])
			if err != nil {
				return otn.Response{Status: http.StatusBadRequest}, nil, nil
			}
			records = append(records, otn.Record{Key: line, Observation: &otn.Observation{Item: &otn.Item{ID: "coat", Known: otn.FactPrice, Price: m}}})
		case "blocked":
			records = append(records, otn.Record{Notice: &otn.ChannelNotice{Level: otn.Blocked, Reason: "too many reports"}})
		case "unblocked":
			records = append(records, otn.Record{Notice: &otn.ChannelNotice{Level: otn.Unblocked}})
		case "window":
			records = append(records, otn.Record{Window: &otn.Window{Subscriber: otn.Subscriber{ID: f[1]}, Until: r.At.Add(24 * time.Hour)}})
		case "stop":
			records = append(records, otn.Record{Stop: &otn.Stop{Subscriber: otn.Subscriber{ID: f[1]}}})
		default:
			c := &otn.Consent{Token: otn.NewToken("page", f[0]), Subscriber: otn.Subscriber{ID: f[1]}, Topic: f[2]}
			if f[0] == "none" {
				c.Token = otn.Token{}
			}
			if len(f) > 3 {
				c.Subject = f[3]
			}
			records = append(records, otn.Record{Consent: c})
		}
	}
	return otn.Response{Status: http.StatusAccepted}, records, nil
}

// both is a channel that takes webhooks too, and asks.
type both struct {
	*channel
	source
	asked atomic.Int64
}

func (b *both) Ask(context.Context, otn.Ask) (otn.Receipt, error) {
	b.asked.Add(1)
	return otn.Receipt{}, nil
}

func call(t *testing.T, h http.Handler, method, path, secret, body string) int {
	t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Secret", secret)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code
}

func TestDoor(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		w.chans["shop"] = &both{channel: shop}
		w.start()
		door := w.host.Hooks()
		for _, c := range []struct {
			method, path, secret, body string
			want                       int
		}{
			{"POST", "/hooks/nobody", "s3cret", "x", 404},
			{"POST", "/hooks/shop", "wrong", "t1 ann news", 401},
			{"DELETE", "/hooks/shop", "s3cret", "", 405},
			{"POST", "/hooks/shop", "s3cret", strings.Repeat("x", 1<<20+1), 413},
			{"POST", "/hooks/shop/panic", "s3cret", "", 500},
			{"POST", "/hooks/shop/fault", "s3cret", "", 503},
			{"POST", "/hooks/shop", "s3cret", "t1 ann news\nnone bob news\nt3 cat unheard-of x\nt4 dan price-drop coat", 202},
			{"POST", "/hooks/shop", "s3cret", "t1 ann news", 202}, // again
			{"POST", "/hooks/shop", "s3cret", "price 120.00 USD", 202},
			{"POST", "/hooks/shop", "s3cret", "price 99.00 USD", 202},
			{"POST", "/hooks/shop", "s3cret", "price 120.00 USD", 202}, // late and known: changes nothing
		} {
			if got := call(t, door, c.method, c.path, c.secret, c.body); got != c.want {
				t.Errorf("%s %s %.40q: %d, want %d", c.method, c.path, c.body, got, c.want)
			}
		}
		w.after(time.Second)
		want(t, "told", texts(shop), "dan: now price-drop 99.00 USD")
		topics, err := w.host.Topics()
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]core.TopicView{}
		for _, v := range topics {
			seen[v.ID] = v
		}
		want(t, "waiting for news", seen["news"].Waiting, 1)
		want(t, "told of the price", seen["price-drop"].Sent, 1)
		want(t, "without a topic", seen[""].Waiting, 1)
		want(t, "without a topic, undeclared", seen[""].Undeclared, true)
	})
}

// What the platform says of us by webhook has its effect: an echo ends a doubt, a block pauses, an opened window lets us ask.
func TestPlatformSpeaks(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		shop.answer = func(otn.Delivery, int) error { return errors.New("the line went dead") }
		ch := &both{channel: shop}
		w.chans["shop"] = ch
		w.start()
		door := w.host.Hooks()
		w.price("coat", "120.00 USD")
		ann := w.grant("ann", "price-drop", "coat")
		w.price("coat", "99.00 USD")
		w.after(time.Second)
		want(t, "ann", w.state(ann.ID), "unknown")
		call(t, door, "POST", "/hooks/shop", "s3cret", "echo "+shop.sent[0].ID.String())
		want(t, "ann after the echo", w.state(ann.ID), "sent")
		want(t, "the run's sent", w.run().Sent, 1)

		shop.answer = nil
		call(t, door, "POST", "/hooks/shop", "s3cret", "blocked")
		bob := w.grant("bob", "price-drop", "coat")
		w.price("coat", "90.00 USD")
		w.after(2 * time.Hour)
		want(t, "calls while blocked", shop.calls(), 1)
		w.restart()
		w.after(2 * time.Hour)
		want(t, "calls while blocked, after a restart", shop.calls(), 1)
		call(t, w.host.Hooks(), "POST", "/hooks/shop", "s3cret", "unblocked")
		w.after(time.Second)
		want(t, "bob", w.state(bob.ID), "sent")

		ask := core.AskRequest{Channel: "shop", Recipient: "cat", Topic: "news"}
		if _, err := w.host.Ask(t.Context(), ask); !errors.Is(err, otn.ErrOutsideWindow) {
			t.Error(err)
		}
		call(t, w.host.Hooks(), "POST", "/hooks/shop", "s3cret", "window cat")
		if _, err := w.host.Ask(t.Context(), ask); err != nil {
			t.Error(err)
		}
		if _, err := w.host.Ask(t.Context(), ask); !errors.Is(err, otn.ErrAlreadyAsked) {
			t.Error(err)
		}
		want(t, "asked", ch.asked.Load(), 1)
		cat := w.grant("cat", "news", "")
		if _, err := w.host.Ask(t.Context(), ask); !errors.Is(err, otn.ErrAlreadyGiven) {
			t.Error(err)
		}
		call(t, w.host.Hooks(), "POST", "/hooks/shop", "s3cret", "stop cat")
		want(t, "cat", w.state(cat.ID), "withdrawn")
	})
}

// A disk that is full ends the Host: nothing is acknowledged after the fault, and everything before it is there again.
func TestP40_FullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewCrashableMem()
		var full atomic.Bool
		key := ledger.NewKey()
		w := &world{t: t, disk: fullFS(disk, &full), marks: pebble.NewMemory(), key: key, rules: shopRules{text: "now"}, chans: map[string]otn.Channel{}}
		shop := w.fake("shop")
		w.chans["shop"] = &both{channel: shop}
		host, ended := begin(t, w)
		if got := call(t, host.Hooks(), "POST", "/hooks/shop", "s3cret", "t1 ann news"); got != 202 {
			t.Fatal(got)
		}
		full.Store(true)
		if got := call(t, host.Hooks(), "POST", "/hooks/shop", "s3cret", "t2 bob news"); got != 503 {
			t.Errorf("answered %d on a full disk", got)
		}
		if _, err := host.Trigger(context.Background(), otn.Trigger{Name: "post"}); !errors.Is(err, otn.ErrStore) && !errors.Is(err, otn.ErrUnavailable) {
			t.Error(err)
		}
		if err := <-ended; !errors.Is(err, otn.ErrStore) {
			t.Errorf("the host ended with %v", err)
		}
		want(t, "told", shop.calls(), 0)

		w.disk, w.marks = disk.CrashClone(vfs.CrashCloneCfg{}), pebble.NewMemory()
		w.start()
		list, _, err := w.host.Consents(core.ConsentQuery{Topic: "news"})
		if err != nil || len(list) != 1 || list[0].Subscriber != "ann" {
			t.Errorf("%v, %v", list, err)
		}
		w.stop()
	})
}

// fullFS is a disk that takes no more bytes once it is full.
func fullFS(disk vfs.FS, full *atomic.Bool) vfs.FS {
	return errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if full.Load() && op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			return syscall.ENOSPC
		}
		return nil
	}))
}

// begin runs a Host that is expected to end by itself.
func begin(t *testing.T, w *world) (*core.Host, <-chan error) {
	t.Helper()
	engine, err := pebble.Open("data", pebble.Options{FS: w.disk, Marks: w.marks, Still: true})
	if err != nil {
		t.Fatal(err)
	}
	host, err := core.New(core.Config{Engine: engine, Key: w.key, Rules: w.rules, Channels: w.chans})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- host.Run(context.Background()) }()
	<-host.Ready()
	return host, ended
}

// Nothing secret is in what the Host shows or logs.
func TestNothingSecretIsShown(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		w.start()
		w.price("coat", "120.00 USD")
		ann := w.grantToken("ann", "price-drop", "coat", "canary-8100")
		w.price("coat", "99.00 USD")
		w.after(time.Second)
		why, err := w.host.Why("shop", "ann", "")
		if err != nil {
			t.Fatal(err)
		}
		consent, err := w.host.Consent(ann.ID)
		if err != nil {
			t.Fatal(err)
		}
		deliveries, _, err := w.host.Deliveries(core.DeliveryQuery{Channel: "shop", Subscriber: "ann"})
		if err != nil || len(deliveries) != 1 {
			t.Fatal(deliveries, err)
		}
		b, err := json.Marshal([]any{why, consent, deliveries, shop.sent[0].Delivery})
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, []byte("canary")) {
			t.Errorf("%s", b)
		}
	})
}
