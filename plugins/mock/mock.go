// Package mock is a channel to nowhere: it shows what it was given, and does what its script says: refuse, throttle, hang, die.
// Tests, rehearsals and demos use it in place of a platform. It also takes consents over a plain webhook, since it has no people of its own.
package mock

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/channel"
)

// Plugin is the mock channel.
var Plugin = channel.Plugin[Config]{
	Name:         "mock",
	Version:      "1.0.0",
	Capabilities: otn.Capabilities{Sends: true, Receives: true, Asks: true, Links: true, Replies: true, Simulated: true},
	New: func(_ context.Context, c Config, at channel.Setup) (any, error) {
		return New(c, at.Log)
	},
}

// Config is what a mock does.
type Config struct {
	Out            string     `json:"out,omitempty" doc:"Where accepted messages are written: a file's path, one JSON line each; stdout for a line of the log; nothing to keep them in memory."`
	Script         []Step     `json:"script,omitempty" doc:"What is done with messages instead of accepting them: the first step that matches and is not used up."`
	SingleUseToken bool       `json:"single_use_token,omitempty" doc:"Refuse a token that was accepted before, as Messenger does. With a file in out this holds over restarts."`
	Account        string     `json:"account,omitempty" doc:"The account that messages are sent from."`
	MaxInFlight    int        `json:"max_in_flight" default:"64" doc:"Messages taken at once."`
	MaxMessage     int        `json:"max_message,omitempty" doc:"Bytes of a message; 0 is no limit."`
	Rate           float64    `json:"rate,omitempty" doc:"Messages per second that the mock says it allows; 0 is no limit."`
	Secret         otn.Secret `json:"secret,omitempty" doc:"What a webhook call must carry as a bearer token; without it anyone can grant."`
}

// Step is one line of a script.
type Step struct {
	Do    Deed             `json:"do" enum:"accept,forget,refuse,throttle,invalid,fail,slow,hang,panic,junk,crash,accept_hang,accept_crash" doc:"What happens."`
	Match string           `json:"match,omitempty" doc:"Only messages to this subscriber, or with this in their text; empty matches all."`
	After channel.Duration `json:"after,omitempty" doc:"Of throttle: when to try again. Of slow: how long it takes."`
	Times int              `json:"times,omitempty" doc:"How often; 0 is always."`
}

// Deed is what a step does with a message.
type Deed string

// The deeds.
const (
	Accept      Deed = "accept"
	Forget      Deed = "forget" // accepts and keeps nothing
	Refuse      Deed = "refuse"
	Throttle    Deed = "throttle" // Deferred for the whole channel, with After
	Fault       Deed = "invalid"  // the message is at fault
	Fail        Deed = "fail"     // an error that nobody understands: Unknown
	Slow        Deed = "slow"     // accepts after After
	Hang        Deed = "hang"     // does nothing until nobody waits any longer
	Panic       Deed = "panic"
	Junk        Deed = "junk"         // prints rubbish, then accepts
	Crash       Deed = "crash"        // the process dies and nothing was accepted
	AcceptHang  Deed = "accept_hang"  // accepts and never says so
	AcceptCrash Deed = "accept_crash" // accepts and dies before saying so
)

// Mock is one open mock.
type Mock struct {
	config Config
	log    *slog.Logger
	out    *os.File

	mu    sync.Mutex
	used  []int // times each step was used
	seen  map[otn.TokenID]bool
	taken []otn.Delivery // where there is no file
	asked []otn.Ask
}

var (
	_ otn.Channel   = (*Mock)(nil)
	_ otn.Asker     = (*Mock)(nil)
	_ otn.Linker    = (*Mock)(nil)
	_ otn.Receiver  = (*Mock)(nil)
	_ otn.Describer = (*Mock)(nil)
)

// New opens a mock, with what its file says was accepted before. Errors: those of the file.
func New(c Config, log *slog.Logger) (*Mock, error) {
	m := &Mock{config: c, log: log, used: make([]int, len(c.Script)), seen: map[otn.TokenID]bool{}}
	if c.Out == "" || c.Out == stdout {
		return m, nil
	}
	if err := m.openFile(); err != nil {
		return nil, channel.Fault("out", "%s", err)
	}
	return m, nil
}

// Describe gives what the configuration makes of it.
func (m *Mock) Describe(context.Context) (otn.Description, error) {
	return otn.Description{Account: m.config.Account, Capabilities: otn.Capabilities{
		SingleUseToken: m.config.SingleUseToken, Replies: true, Simulated: true, MultiInstance: true,
		MaxInFlight: m.config.MaxInFlight, MaxMessage: m.config.MaxMessage, Rate: m.config.Rate,
		Forms: []otn.Form{otn.TextForm, otn.CardForm, otn.GalleryForm, otn.ImageForm}, QuickReply: true,
	}}, nil
}

// Send does what the script says, and otherwise accepts.
func (m *Mock) Send(ctx context.Context, d otn.Delivery) (otn.Receipt, error) {
	step := m.step(&d)
	switch step.Do {
	case Accept, AcceptHang, AcceptCrash:
	case Forget:
		return otn.Receipt{}, nil
	case Refuse:
		return otn.Receipt{}, &otn.SendError{Outcome: otn.Refused, Code: "refused", Err: otn.ErrRefused}
	case Throttle:
		return otn.Receipt{}, &otn.SendError{Outcome: otn.Deferred, Scope: otn.ChannelScope, After: time.Duration(step.After), Code: "throttled", Err: errScript}
	case Fault:
		return otn.Receipt{}, &otn.SendError{Outcome: otn.Invalid, Code: "invalid", Err: errScript}
	case Fail:
		return otn.Receipt{}, errScript
	case Panic:
		panic("the script says so")
	case Slow:
		return m.slow(ctx, d, time.Duration(step.After))
	case Hang:
		return hang(ctx)
	case Junk:
		_, _ = fmt.Fprintf(os.Stderr, "{\"@message\":5}\n\x00\xff%s\n", d.ID)
		_, _ = fmt.Println("{not a handshake|", d.ID)
	case Crash:
		return die()
	}
	receipt, err := m.accept(d)
	switch {
	case err == nil && step.Do == AcceptHang:
		return hang(ctx)
	case err == nil && step.Do == AcceptCrash:
		return die()
	}
	return receipt, err
}

var errScript = errors.New("the script says so")

func (m *Mock) slow(ctx context.Context, d otn.Delivery, wait time.Duration) (otn.Receipt, error) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return m.accept(d)
	case <-ctx.Done():
		return otn.Receipt{}, channel.NotSent(ctx.Err())
	}
}

func hang(ctx context.Context) (otn.Receipt, error) {
	<-ctx.Done()
	return otn.Receipt{}, ctx.Err()
}

// die ends the process as a crash would. In the host's own process it is an unknown outcome, which is what the host would see.
func die() (otn.Receipt, error) {
	if channel.Hosted() {
		os.Exit(3)
	}
	return otn.Receipt{}, &otn.SendError{Outcome: otn.Unknown, Code: "crashed", Err: errScript}
}

// Ask records a request for consent.
func (m *Mock) Ask(_ context.Context, a otn.Ask) (otn.Receipt, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked = append(m.asked, a)
	return otn.Receipt{ProviderID: "ask." + a.ID}, nil
}

// Link gives a link that leads nowhere, with the ref as it is. Like many platforms' it carries no blanks: such a ref is otn.ErrInvalid.
func (m *Mock) Link(_ context.Context, ref string) (string, error) {
	if ref == "" || strings.ContainsAny(ref, " \t\r\n") {
		return "", fmt.Errorf("mock: link: a ref that is empty or holds blanks: %w", otn.ErrInvalid)
	}
	return "https://mock.invalid/?ref=" + url.QueryEscape(ref), nil
}

// Deliveries gives what was accepted, in that order, where there is no file.
func (m *Mock) Deliveries() []otn.Delivery {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]otn.Delivery(nil), m.taken...)
}

// Asks gives the requests for consent, in order.
func (m *Mock) Asks() []otn.Ask {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]otn.Ask(nil), m.asked...)
}
