// Package plugins is the host's half of the process border: it launches a plugin, watches it, calls it and starts it again.
//
// A [Process] is one instance of one plugin in a child process. It is an otn.Channel, Receiver, Poller, Asker and Describer like the
// author's own type on the other side. Whatever the plugin does (refuse to start, hang, write junk, die), the host goes on: calls end
// with an outcome that says what is certain, and the supervisor starts the next process or puts the plugin away.
package plugins

import (
	"encoding/json"
	"log/slog"
	"time"

	"github.com/onetimenotify/otn/plugins/internal/wire"
)

// Spec says which plugin to run, and how. The zero value of every length of time is a sane one.
type Spec struct {
	Name      string          // of the instance, as the operator calls it
	Plugin    string          // of the plugin, for messages
	Command   []string        // the program's path and its arguments. A path without a slash is refused: PATH is not searched
	Env       []string        // names of host variables the plugin may see, beside PATH, TZ, LANG and where the CA certificates are
	Config    json.RawMessage // reaches the plugin over the connection only: never its arguments or environment
	PublicURL string          // where the outside reaches this instance's webhooks; empty: not at all
	Lock      string          // path of the plugins.lock that must name the program with its hash; empty, or not there: nothing is pinned
	WorkDir   string          // in which the program starts; empty: the host's own
	Dir       string          // where sockets live while the process does, 0700; empty, or too long for a socket: a fresh one in the system's place
	Log       *slog.Logger
	Attach    *Attached // a process under a debugger to speak to in place of launching one: Command, Env and Lock are not looked at, and it is never ended

	StartTimeout time.Duration // until the plugin is configured; 0: 10 s
	Health       time.Duration // between two questions whether it lives; 0: 5 s
	HealthWait   time.Duration // for the answer, three in a row missing end the process; 0: 2 s
	Call         time.Duration // for the answer to a webhook, a link or a question about the configuration; 0: 10 s
	Hang         time.Duration // a delivery or a poll that its caller gave up and the plugin still holds after this ends the process; 0: 1 min
	Grace        time.Duration // for deliveries in flight when the process is stopped; 0: 10 s
	Kill         time.Duration // from the end of the grace to SIGKILL; 0: 2 s
	Backoff      time.Duration // before the first restart, doubling from there; 0: 250 ms
	MaxBackoff   time.Duration // 0: 30 s
	Steady       time.Duration // so long ready, and the backoff begins anew; 0: 1 min
	CrashWindow  time.Duration // five crashes in it, and the plugin is quarantined; 0: 10 min
	Recheck      time.Duration // before a plugin whose file or configuration is at fault is tried again; 0: 1 min
}

// maxCrashes in a CrashWindow quarantine a plugin.
const maxCrashes = 5

func (s *Spec) fill() {
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	if s.Attach != nil && s.Call <= 0 {
		s.Call = patience
	}
	s.Log = s.Log.With("instance", s.Name, "plugin", s.Plugin)
	for at, sane := range map[*time.Duration]time.Duration{
		&s.StartTimeout: 10 * time.Second, &s.Health: 5 * time.Second, &s.HealthWait: 2 * time.Second, &s.Hang: time.Minute, &s.Call: 10 * time.Second,
		&s.Grace: 10 * time.Second, &s.Kill: 2 * time.Second, &s.Backoff: 250 * time.Millisecond, &s.MaxBackoff: 30 * time.Second,
		&s.Steady: time.Minute, &s.CrashWindow: 10 * time.Minute, &s.Recheck: time.Minute,
	} {
		if *at <= 0 {
			*at = sane
		}
	}
}

// ConfigError is a configuration that the plugin did not accept, with the path of every fault.
type ConfigError = wire.ConfigError

// Diagnostic is one fault of a configuration.
type Diagnostic = wire.Diagnostic
