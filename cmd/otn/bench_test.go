// How fast the whole path is through a plugin's process: match, claim, render, send over the border, settle.

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins"
	"github.com/onetimenotify/otn/rules"
)

const benchRules = `
version: 1
timezone: UTC
topics:
  price-drop: {use: price_drop, subject: item, ask: cheaper, answers: {target: {type: money, optional: true}}}
rules:
  - id: price-drop
    topic: price-drop
    on: [item.changed]
    when: |
      item.price < was.price && (!sub.has.target || item.price <= sub.target)
    message: {text: "now ${item.price}"}
`

// BenchmarkPathThroughProcess carries one price drop to 100,000 people through the mock channel in its own process.
func BenchmarkPathThroughProcess(b *testing.B) {
	const people = 100_000
	for b.Loop() {
		b.StopTimer()
		host, stop := benchHost(b)
		benchPrice(b, host, 12000)
		benchGrants(b, host, people)
		b.StartTimer()
		begin := time.Now()
		benchPrice(b, host, 9900)
		for sent := int64(0); sent < people; {
			runs, _, err := host.Runs(core.RunQuery{})
			if err != nil {
				b.Fatal(err)
			}
			if len(runs) > 0 {
				sent = runs[0].Sent
			}
			time.Sleep(2 * time.Millisecond)
		}
		b.ReportMetric(people/time.Since(begin).Seconds(), "messages/s")
		b.StopTimer()
		stop()
		b.StartTimer()
	}
}

// benchHost is a Host with one mock channel in a process of its own.
func benchHost(b *testing.B) (*core.Host, func()) {
	b.Helper()
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	process := plugins.New(plugins.Spec{
		Name: "shop", Plugin: "mock", Command: []string{self, "plugin", "mock"}, Config: json.RawMessage(`{"account":"page"}`),
	})
	set, err := rules.Compile(rules.File{Name: "bench.yaml", Source: []byte(benchRules)})
	if err != nil {
		b.Fatal(err)
	}
	host, err := core.New(core.Config{Dir: filepath.Join(b.TempDir(), "data"), Rules: set, Channels: map[string]otn.Channel{"shop": process}})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	carried, cancelProcess := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go func() { ended <- process.Run(carried) }()
	if err := process.Ready(ctx); err != nil {
		b.Fatal(err)
	}
	go func() { ended <- host.Run(ctx) }()
	<-host.Ready()
	return host, func() {
		cancel()
		first := <-ended
		cancelProcess()
		if second := <-ended; first != nil || second != nil {
			b.Fatal(first, second)
		}
	}
}

func benchPrice(b *testing.B, host *core.Host, minor int64) {
	b.Helper()
	o := otn.Observation{Item: &otn.Item{ID: "coat", Known: otn.FactPrice, Price: otn.Money{Minor: minor, Currency: "USD"}}}
	if _, err := host.Observe(context.Background(), o); err != nil {
		b.Fatal(err)
	}
}

func benchGrants(b *testing.B, host *core.Host, n int) {
	b.Helper()
	for k := 0; k < n; k += 1000 {
		page := make([]otn.Consent, 1000)
		for i := range page {
			page[i] = otn.Consent{
				Token: otn.NewToken("page", fmt.Sprint(8100000000000000000+k+i)), Channel: "shop",
				Subscriber: otn.Subscriber{ID: fmt.Sprint(5400000000000000 + k + i)}, Topic: "price-drop", Subject: "coat",
			}
		}
		if _, err := host.Grant(context.Background(), page...); err != nil {
			b.Fatal(err)
		}
	}
}
