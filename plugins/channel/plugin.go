// Package channel is the author's half of a plugin: describe it as a [Plugin], hand it to [Serve], and that is the program.
//
//	func main() { channel.Serve(sms.Plugin) }
//
// The package owns the border: handshake, mutual TLS, limits, credits, deadlines, panics and the end of the process.
// The author's type is called from many goroutines and speaks the words of core/otn alone.
package channel

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/internal/wire"
)

// Plugin describes a channel or a source whose configuration is a C, a struct.
//
// C's fields are read from JSON by their json tags. A field is required unless its tag says omitempty or omitzero or it has a
// default; an unknown key is refused. Further tags: doc (one sentence for the operator), default, and enum (a,b,c).
// Secrets are of type otn.Secret, lengths of time of type [Duration]; anything with UnmarshalText is written as a string.
type Plugin[C any] struct {
	Name    string // of the plugin, [a-z0-9-]
	Version string // semantic

	// Capabilities are what every instance can do. Sends, Receives, Polls, Listens, Asks, Links and Lookups may be left out: an open
	// instance reports what its type implements. An instance that differs implements otn.Describer and says it there.
	Capabilities otn.Capabilities

	// New opens an instance: something that implements otn.Channel, otn.Receiver, otn.Poller, otn.Listener, otn.Asker, otn.Linker or several of
	// them, otn.Describer for an account and capabilities of its own, otn.Lookuper where the platform can be asked what became of a message, otn.Validator where the platform can be asked whether the configuration is good, and
	// io.Closer where it has something to close. It calls no network.
	// Its error is shown to the operator as a fault of the configuration; see [Fault] for one with the field's name.
	New func(ctx context.Context, config C, at Setup) (any, error)
}

// Setup is what an instance is told of the place it runs in.
type Setup struct {
	Instance  string       // its name in the operator's configuration
	PublicURL string       // where the outside reaches its webhooks: https://…/hooks/{instance}; empty when it cannot be reached
	Log       *slog.Logger // lines reach the host's log. Never one per message at Info or above
}

// Program is a Plugin whatever its configuration's type: what a table of plugins holds.
type Program interface {
	// Describe gives name, version, schema and the capabilities that all instances have.
	Describe() otn.Description
	// Open makes an instance in this process from its configuration in JSON; empty is {}. Errors: *ConfigError.
	Open(ctx context.Context, config []byte, at Setup) (*Instance, error)
}

var _ Program = Plugin[struct{}]{}

// ConfigError is a configuration that was not accepted, with the path of every fault.
type ConfigError = wire.ConfigError

// Diagnostic is one fault of a configuration.
type Diagnostic = wire.Diagnostic

// Fault is the error with which New refuses the field at path. Several go together with errors.Join. The message quotes no secret.
func Fault(path, format string, args ...any) error {
	return &ConfigError{Diagnostics: []Diagnostic{{Path: path, Message: fmt.Sprintf(format, args...)}}}
}

// NotSent says of a failed send that certainly nothing left: the connection never opened, say. The host tries again on its own schedule.
func NotSent(err error) error {
	return &otn.SendError{Outcome: otn.Deferred, Scope: otn.MessageScope, Code: "not_sent", Err: err}
}

// Duration is a length of time in a configuration, written as "90s" or "1h30m".
type Duration time.Duration

// String is what UnmarshalText reads.
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText gives String.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads "90s" or "1h30m"; less than nothing is refused.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err != nil || parsed < 0 {
		return fmt.Errorf(`%q is no length of time: want "90s" or "1h30m"`, text)
	}
	*d = Duration(parsed)
	return nil
}

// Describe gives what all instances have in common.
func (p Plugin[C]) Describe() otn.Description {
	return otn.Description{Name: p.Name, Version: p.Version, Capabilities: p.Capabilities, Schema: schemaOf[C]()}
}

// Open makes an instance in this process: for tests, embedders and the border itself. Close it in the end.
func (p Plugin[C]) Open(ctx context.Context, config []byte, at Setup) (*Instance, error) {
	if at.Log == nil {
		at.Log = slog.New(slog.DiscardHandler)
	}
	c, err := decode[C](config)
	if err != nil {
		return nil, err
	}
	impl, err := p.open(ctx, c, at)
	if err != nil {
		return nil, &ConfigError{Diagnostics: wire.Diagnose(err)}
	}
	return newInstance(p.Describe(), impl, at)
}

// open calls New; a panic in it is an error like any other.
func (p Plugin[C]) open(ctx context.Context, c C, at Setup) (impl any, err error) {
	defer func() {
		if r := recover(); r != nil {
			at.Log.Error("the plugin panicked", "in", "New", "panic", fmt.Sprint(r), "stack", stack())
			err = errors.New("the plugin panicked while it opened")
		}
	}()
	return p.New(ctx, c, at)
}
