// What a page costs, and that the first one costs the same however many wait.

package console_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/console"
	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/rules"
)

const benchRules = `version: 1
topics:
  price-drop: {use: price_drop, subject: item, ask: cheaper}
rules:
  - {id: price-drop, topic: price-drop, on: [item.changed], when: item.price < was.price, message: {text: cheaper}}
`

// silent is a channel that takes everything.
type silent struct{}

func (silent) Send(context.Context, otn.Delivery) (otn.Receipt, error) { return otn.Receipt{}, nil }

// crowded is a host on which so many wait for a thousand things, and a browser in front of it.
func crowded(b *testing.B, n int) func(path string) {
	b.Helper()
	set, err := rules.Compile(rules.File{Name: "shop.yaml", Source: []byte(benchRules)})
	if err != nil {
		b.Fatal(err)
	}
	h, err := core.New(core.Config{Memory: core.NewMemory(), Rules: set, Channels: map[string]otn.Channel{"shop": silent{}}})
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	<-h.Ready()
	b.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			b.Error(err)
		}
	})
	for k := 0; k < n; k += 1000 {
		batch := make([]otn.Consent, 1000)
		for i := range batch {
			batch[i] = otn.Consent{Token: otn.NewToken("", fmt.Sprint(k+i)), Channel: "shop", Subscriber: otn.Subscriber{ID: fmt.Sprint(k + i)}, Topic: "price-drop", Subject: fmt.Sprint("SKU-", i), GrantedAt: time.Now()}
		}
		if _, err := h.Grant(ctx, batch...); err != nil {
			b.Fatal(err)
		}
	}
	const secret = "otn_admin_bench_0123456789012345678901234567890123456789012"
	if err := h.Trust("bench", otn.NewSecret(secret)); err != nil {
		b.Fatal(err)
	}
	pages, err := console.New(h, console.Options{Author: newFake()})
	if err != nil {
		b.Fatal(err)
	}
	look := &browser{t: b, f: newFake(), handler: pages}
	get := func(method, path string, pairs ...string) int {
		status, _, _ := look.do(method, path, form(pairs...))
		return status
	}
	if get("POST", "/login", "key", secret) != http.StatusSeeOther {
		b.Fatal("no login")
	}
	return func(path string) {
		if status := get("GET", path); status != http.StatusOK {
			b.Fatalf("%s: HTTP %d", path, status)
		}
	}
}

func BenchmarkPages(b *testing.B) {
	for _, n := range []int{1000, 50_000} {
		get := crowded(b, n)
		for _, path := range []string{"/", "/topics", "/topics/topic?id=price-drop", "/topics/topic?id=price-drop&state=refused", "/runs", "/deliveries", "/deliveries?outcome=unknown", "/calendar", "/journal", "/rules"} {
			b.Run(fmt.Sprintf("%d%s", n, path), func(b *testing.B) {
				for b.Loop() {
					get(path)
				}
			})
		}
	}
}
