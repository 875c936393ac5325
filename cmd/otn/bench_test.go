// How fast the whole path is through a plugin's process: match, claim, render, send over the border, settle.

package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// BenchmarkPathThroughProcess carries one price drop to 100,000 people through the mock channel in its own process.
func BenchmarkPathThroughProcess(b *testing.B) {
	command, err := ownCommand()
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		b.StopTimer()
		t, err := startYard(b.Context(), b.TempDir(), nowhereElse(command))
		if err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		n, err := t.deliveries(b.Context(), 100_000)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(n, "messages/s")
		b.StopTimer()
		if err := t.stop(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

// The bench measures everything that it says, and leaves nothing behind.
func TestBench(t *testing.T) {
	defer goleak.VerifyNone(t)
	temp := t.TempDir()
	var out, words strings.Builder
	begin := time.Now()
	if code := run(console{args: []string{"bench", "--quick", "-o", "json", "--dir", temp}, stdin: strings.NewReader(""), stdout: &out, stderr: &words}); code != 0 {
		t.Fatalf("exit %d\n%s", code, words.String())
	}
	var got benched
	if err := json.Unmarshal([]byte(out.String()), &got); err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, m := range got.Measures {
		if m.Value <= 0 || m.Unit == "ms" && m.Value > float64(time.Since(begin).Milliseconds()) {
			t.Errorf("%s: %v %s", m.What, m.Value, m.Unit)
		}
		seen[m.Unit]++
	}
	if !got.Quick || seen["/s"] != 8 || seen["ms"] != 2 {
		t.Errorf("%+v", got)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
