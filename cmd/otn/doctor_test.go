// What doctor sees that a script cannot bring about: a full disk, a clock that went back, a channel that is ill.

package main

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/rules"
)

// sees is the state and the words of the last finding.
func (d *doctor) sees(t *testing.T, state, words string) {
	t.Helper()
	if len(d.found) == 0 {
		t.Fatal("nothing was found")
	}
	last := d.found[len(d.found)-1]
	if last.State != state || !strings.Contains(last.Found, words) {
		t.Errorf("%s: %s, %q; want %s, %q", last.Check, last.State, last.Found, state, words)
	}
	if (last.State == fine) != (last.Remedy == "") {
		t.Errorf("%s is %s, with the remedy %q", last.Check, last.State, last.Remedy)
	}
}

func TestDoctorSeesTheDisk(t *testing.T) {
	for _, c := range []struct {
		free  uint64
		err   error
		state string
		words string
	}{
		{100 << 20, nil, fault, "100 MiB"}, {1 << 30, nil, warning, "1024 MiB"}, {50 << 30, nil, fine, "50 GiB"}, {0, errors.New("no such disk"), warning, "no such disk"},
	} {
		d := &doctor{k: &call{}, space: func(string) (uint64, uint64, error) { return c.free, 100 << 30, c.err }}
		d.disk("data")
		d.sees(t, c.state, c.words)
	}
}

func TestDoctorSeesInstances(t *testing.T) {
	for _, c := range []struct {
		view  core.InstanceView
		state string
		words string
	}{
		{core.InstanceView{State: "ready", Plugin: "mock", Version: "1.0"}, fine, "mock 1.0"},
		{core.InstanceView{State: "ready", LastError: "the page token has expired"}, warning, "the page token has expired"},
		{core.InstanceView{State: "quarantined", LastError: "it died five times"}, fault, "quarantined: it died five times"},
		{core.InstanceView{State: "degraded"}, fault, "degraded"},
	} {
		d := &doctor{k: &call{}}
		d.instance("channel", &c.view)
		d.sees(t, c.state, c.words)
	}
}

// A store that has seen a later day than the machine's clock shows is not opened in silence: consents would seem to live on.
func TestDoctorSeesTheClock(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	stored(t, dir)
	for ahead, state := range map[time.Duration]string{0: fine, 23 * time.Hour: fine, 25 * time.Hour: fault} {
		d := &doctor{k: &call{}, now: time.Now().Add(-ahead)}
		d.store(t.Context(), dir)
		d.sees(t, state, map[string]string{fine: "T", fault: "the store has seen"}[state])
	}
}

// stored makes a store that has seen something.
func stored(t *testing.T, dir string) {
	t.Helper()
	set, err := rules.Compile()
	if err != nil {
		t.Fatal(err)
	}
	host, err := core.New(core.Config{Dir: dir, Rules: set})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- host.Run(ctx) }()
	<-host.Ready()
	if _, err := host.Observe(ctx, otn.Observation{Item: &otn.Item{ID: "coat", Known: otn.FactStock, Stock: 3}}); err != nil {
		t.Error(err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}
