// A plugin in any language, as a program: what it owes at the border, and what every channel owes, one check after the other.

package channeltest

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins"
	"github.com/onetimenotify/otn/plugins/internal/wire"
)

// Program is a plugin to be examined.
type Program struct {
	Command  []string               // its path and its arguments
	Config   json.RawMessage        // with which it accepts every message; nil: made from its schema
	Env      []string               // names of variables that it may see, beside those that every plugin sees
	WorkDir  string                 // in which it is started; empty: the caller's
	Deliver  func(int) otn.Delivery // the n-th of deliveries that are all different and that it accepts; nil: a text to subscriber 222
	Only     []string               // the names of the checks to make, beside those that the others build on; empty: all
	Patience time.Duration          // for each thing that should come at once; 0: 10 s
	Log      *slog.Logger           // of what it prints; nil: nowhere
}

// Conform makes every check of a plugin in any language, in order, and tells what came of each. It reports whether all was well. When
// the program cannot be launched or does not say what it is, the checks behind that are skipped.
func Conform(ctx context.Context, p Program, tell func(Result)) bool {
	x := newTrial(p)
	well, stopped := true, ""
	for _, c := range x.checks() { //nolint:contextcheck // a check has the context of its T
		if stopped != "" {
			tell(Result{Check: c.name, Skipped: stopped})
			continue
		}
		r := examine(ctx, c.name, func(t T) { c.run(x, t) })
		well = well && r.OK()
		if !r.OK() && x.about == nil {
			stopped = "after: " + c.name
		}
		if ctx.Err() != nil {
			stopped = "interrupted"
		}
		tell(r)
	}
	return well
}

// RunProgram makes the same checks as subtests.
func RunProgram(t *testing.T, p Program) {
	x := newTrial(p)
	for _, c := range x.checks() {
		if !t.Run(c.name, func(t *testing.T) { c.run(x, t) }) && x.about == nil {
			t.Fatalf("the checks behind %q need what it looks for", c.name)
		}
	}
}

// Checks are the names of all checks, in order.
func Checks() []string {
	var names []string
	for _, c := range programChecks() {
		names = append(names, c.name)
	}
	return names
}

// groundwork is how many checks the others build on.
const groundwork = 4

// checks are those that are wanted.
func (x *trial) checks() []check[*trial] {
	all := programChecks()
	if len(x.Only) == 0 {
		return all
	}
	wanted := all[:groundwork:groundwork]
	for _, c := range all[groundwork:] {
		if slices.Contains(x.Only, c.name) {
			wanted = append(wanted, c)
		}
	}
	return wanted
}

func programChecks() []check[*trial] {
	all := []check[*trial]{
		{"launches and shakes hands", (*trial).launches},
		{"says what it is without a configuration", (*trial).describes},
		{"has a schema", (*trial).hasSchema},
		{"accepts its configuration", (*trial).acceptsConfig},
		{"refuses a configuration that is none", (*trial).refusesConfig},
		{"validates and changes nothing", (*trial).validates},
		{"takes a new configuration while it runs", (*trial).reconfigures},
		{"grants credits in its first frame", (*trial).grants},
		{"serves the instances it was given, and no other", (*trial).knowsInstances},
		{"answers whether it lives", (*trial).lives},
		{"answers each seq once, in words that are known", (*trial).answersSeqs},
		{"takes a large frame", (*trial).takesLarge},
		{"answers what was cancelled", (*trial).answersCancelled},
	}
	for _, c := range channelChecks() {
		all = append(all, check[*trial]{c.name, func(x *trial, t T) { x.asChannel(t, c) }})
	}
	for _, c := range pollerChecks() {
		all = append(all, check[*trial]{c.name, func(x *trial, t T) {
			if !x.about.GetCapabilities().GetPolls() {
				t.Skip("it is not polled")
			}
			c.run(&pollerSuite{open: func(t T) Poller { return x.run(t) }}, t)
		}})
	}
	for _, c := range listenerChecks() {
		all = append(all, check[*trial]{c.name, func(x *trial, t T) {
			if !x.about.GetCapabilities().GetListens() {
				t.Skip("it does not listen")
			}
			c.run(&listenerSuite{open: func(t T) Listener { return x.run(t) }}, t)
		}})
	}
	return append(all,
		check[*trial]{"is listened to once at a time", (*trial).listensOnce},
		check[*trial]{"drains", (*trial).drains},
		check[*trial]{"heeds no signal but its host's end", (*trial).heedsNoSignal},
		check[*trial]{"ends when its host does", (*trial).endsWithHost},
		check[*trial]{"leaves nothing behind", (*trial).leavesNothing},
		check[*trial]{"prints nothing to stdout after its handshake", (*trial).keepsStdout},
		check[*trial]{"lets no stranger in", (*trial).refusesStrangers},
		check[*trial]{"comes back after a kill in the middle", (*trial).comesBack},
	)
}

// trial is one program under examination.
type trial struct {
	Program
	about *wire.Description // once it said what it is
}

func newTrial(p Program) *trial {
	if p.Patience <= 0 {
		p.Patience = soon
	}
	x := &trial{Program: p}
	if p.Deliver == nil {
		x.Deliver = func(n int) otn.Delivery {
			d := sample(n)
			d.Token = otn.NewToken(x.about.GetAccount(), d.Token.Reveal())
			return d
		}
	}
	return x
}

func (x *trial) spec() plugins.Spec {
	return plugins.Spec{
		Name: instance, Plugin: "examined", Command: x.Command, Env: x.Env, WorkDir: x.WorkDir, Config: x.Config, Log: x.Log,
		StartTimeout: x.Patience, Call: x.Patience, Hang: x.Patience, Kill: x.Patience / 5, Grace: x.Patience, Backoff: time.Millisecond,
	}
}

const instance = "channeltest"

// asChannel makes one of the checks that every channel passes, with the program in a Process.
func (x *trial) asChannel(t T, c check[*suite]) {
	can := x.about.GetCapabilities()
	if c.name == refusesNonsense && !can.GetReceives() {
		t.Skip("it receives nothing")
	}
	if c.name != refusesNonsense && !can.GetSends() {
		t.Skip("it delivers nothing")
	}
	s := &suite{make: x.Deliver, open: func(t T) Channel { return x.run(t) }}
	c.run(s, t)
}

// run has the program supervised until the check is over.
func (x *trial) run(t T) *plugins.Process {
	t.Helper()
	p := plugins.New(x.spec())
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	waiting, stop := context.WithTimeout(t.Context(), 2*x.Patience)
	defer stop()
	if err := p.Ready(waiting); err != nil {
		t.Fatal(err)
	}
	return p
}
