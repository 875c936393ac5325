// The channel and its configuration.

// Package webhook is a channel: it delivers each message as a signed POST to an address of the merchant's, who carries it on: by
// SMS, by e-mail, into an app of their own.
//
//	shop:
//	  plugin: webhook
//	  config:
//	    url: "https://shop.example/otn"
//	    secret: "${env:WEBHOOK_SECRET}"     # whsec_…, made with: echo whsec_$(openssl rand -base64 32)
//	    deduplicates: true                  # the receiver takes a webhook-id once
//
// What is sent, what the receiver answers and what becomes of a person's consent by it are in this folder's README.md.
//
// Addresses that are not public are refused at the moment of the connection, whatever name led there, unless allow_private is set. No
// redirect is followed, and no proxy asked.
//
// Sources: Standard Webhooks 1.0, RFC 9110 (answers, Retry-After), RFC 6585 (429).
package webhook

import (
	"context"
	"crypto/x509"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/channel"
)

const version = "1.0.0"

// Plugin is the channel as a program.
var Plugin = channel.Plugin[Config]{
	Name:         "webhook",
	Version:      version,
	Capabilities: otn.Capabilities{Sends: true},
	New: func(_ context.Context, c Config, _ channel.Setup) (any, error) {
		return New(c)
	},
}

// Config is where messages go, and how much of them.
type Config struct {
	URL          string           `json:"url" doc:"Where messages are posted, https://…."`
	Secret       otn.Secret       `json:"secret,omitzero" doc:"Signs them: whsec_ and the base64 of 24 to 64 bytes, as in Standard Webhooks."`
	Secrets      []otn.Secret     `json:"secrets,omitempty" doc:"More of them: each signs, so that the receiver can change from one to the next without losing a message."`
	Deduplicates bool             `json:"deduplicates,omitempty" doc:"The receiver takes a webhook-id once, however often it comes. Then a message whose answer was lost is posted again; without it, it waits for an operator."`
	RefusedOn    []int            `json:"refused_on,omitempty" doc:"Answers (400 to 499) that mean: this person cannot be reached, end the consent. Left out: 410 alone."`
	AllowPrivate bool             `json:"allow_private,omitempty" doc:"Addresses of this machine and of private networks may be posted to."`
	AllowHTTP    bool             `json:"allow_http,omitempty" doc:"An address without TLS may be posted to: who stands between can read the messages."`
	CA           string           `json:"ca,omitempty" doc:"The authority that signed the receiver's certificate, as PEM, where it is the merchant's own."`
	Timeout      channel.Duration `json:"timeout" default:"15s" doc:"For one answer, at most 25s."`
	MaxInFlight  int              `json:"max_in_flight" default:"16" doc:"Messages posted at once, 1 to 256."`
	MaxMessage   int              `json:"max_message" default:"262144" doc:"Bytes of a body."`
	Rate         float64          `json:"rate,omitempty" doc:"Messages per second that the receiver takes; 0 is no limit."`
}

// maxTimeout stays below the time for which the host waits.
const maxTimeout = 25 * time.Second

// Webhook is one address.
type Webhook struct {
	config Config
	url    *url.URL
	keys   [][]byte
	client *http.Client
	now    func() time.Time
}

var (
	_ otn.Channel   = (*Webhook)(nil)
	_ otn.Describer = (*Webhook)(nil)
)

// New makes a channel. It connects to nothing. Its error names every fault of the configuration.
func New(c Config) (*Webhook, error) {
	w := &Webhook{config: c, now: time.Now}
	w.fill()
	roots, err := w.config.roots()
	faults := slices.Concat(w.readURL(), w.readKeys(), w.config.misfits(), []error{err})
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	w.client = w.newClient(roots)
	return w, nil
}

// fill sets what an embedder left out; through the border the defaults stand in.
func (w *Webhook) fill() {
	c := &w.config
	if c.Timeout == 0 {
		c.Timeout = channel.Duration(15 * time.Second)
	}
	if c.MaxInFlight == 0 {
		c.MaxInFlight = 16
	}
	if c.MaxMessage == 0 {
		c.MaxMessage = 256 << 10
	}
	if len(c.RefusedOn) == 0 {
		c.RefusedOn = []int{http.StatusGone}
	}
}

// readURL quotes nothing: the address may hold a secret.
func (w *Webhook) readURL() []error {
	u, err := url.Parse(strings.TrimSpace(w.config.URL))
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http":
		return []error{channel.Fault("url", "want an address as in https://shop.example/otn")}
	case u.User != nil:
		return []error{channel.Fault("url", "holds a user, which would be sent with every message; the signature says who calls")}
	case u.Scheme == "http" && !w.config.AllowHTTP:
		return []error{channel.Fault("url", "has no TLS: who stands between could read the messages. Want https://…, or allow_http")}
	}
	u.Fragment = ""
	w.url = u
	return nil
}

func (c *Config) misfits() (faults []error) {
	fault := func(path, format string, args ...any) { faults = append(faults, channel.Fault(path, format, args...)) }
	if c.Timeout < 0 || time.Duration(c.Timeout) > maxTimeout {
		fault("timeout", "want at most %s: otn waits no longer for an answer", maxTimeout)
	}
	if c.MaxInFlight < 1 || c.MaxInFlight > 256 {
		fault("max_in_flight", "want 1 to 256")
	}
	if c.MaxMessage < 1024 {
		fault("max_message", "want at least 1024")
	}
	if c.Rate < 0 {
		fault("rate", "want no less than 0")
	}
	for _, code := range c.RefusedOn {
		switch {
		case code < 400 || code > 499:
			fault("refused_on", "%d: want 400 to 499, that is what a receiver says of a request that it has understood", code)
		case code == http.StatusUnauthorized || code == http.StatusRequestTimeout || code == http.StatusTooEarly || code == http.StatusTooManyRequests:
			fault("refused_on", "%d never means a person: one such answer too many would end every consent", code)
		}
	}
	return faults
}

// roots are the authorities that the receiver's certificate may come from; nil: those of the system.
func (c *Config) roots() (*x509.CertPool, error) {
	if c.CA == "" {
		return nil, nil
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(c.CA)) {
		return nil, channel.Fault("ca", "is no certificate: want -----BEGIN CERTIFICATE----- and what follows")
	}
	return pool, nil
}

// Describe gives what the configuration makes of it.
func (w *Webhook) Describe(context.Context) (otn.Description, error) {
	return otn.Description{Capabilities: otn.Capabilities{
		SingleUseToken: w.config.Deduplicates, MultiInstance: true,
		MaxInFlight: w.config.MaxInFlight, MaxMessage: w.config.MaxMessage, Rate: w.config.Rate,
		Forms: []otn.Form{otn.TextForm, otn.CardForm, otn.GalleryForm, otn.ImageForm, otn.TemplateForm}, QuickReply: true,
	}}, nil
}

// Close ends the connections that are kept open.
func (w *Webhook) Close() error {
	w.client.CloseIdleConnections()
	return nil
}
