// The configuration of one page, and what must hold of it before anything is sent.

package messenger

import (
	"errors"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/channel"
)

// DefaultGraphURL is the Graph API with the version that the samples of Meta's pages use.
const DefaultGraphURL = "https://graph.facebook.com/v25.0"

const (
	defaultTimeout        = 20 * time.Second
	defaultConnectTimeout = 5 * time.Second
)

// Config is one page and its app.
type Config struct {
	PageID    string     `json:"page_id" yaml:"page_id" doc:"The page's id, in digits."`
	PageToken otn.Secret `json:"page_token" yaml:"page_token" doc:"The page access token, with pages_messaging. Another page's cannot spend this page's consents."`
	AppSecret otn.Secret `json:"app_secret" yaml:"app_secret" doc:"The app's secret: it proves that a webhook comes from Meta."`

	OldAppSecrets []otn.Secret `json:"old_app_secrets,omitempty" yaml:"old_app_secrets,omitempty" doc:"App secrets that webhooks may still be signed with while the secret is being changed."`
	VerifyToken   otn.Secret   `json:"verify_token,omitzero" yaml:"verify_token,omitempty" doc:"The word that Meta repeats when the webhook is set up. Without it the set-up call is refused."`

	Chatfuel  *Chatfuel `json:"chatfuel,omitempty" yaml:"chatfuel,omitempty" doc:"Take requests for consent from a bot's JSON block, at …/hooks/{instance}/chatfuel."`
	AskOnLink *bool     `json:"ask_on_link,omitempty" yaml:"ask_on_link,omitempty" default:"true" doc:"Ask whoever comes through a link or a button of otn. Turn it off where a bot of yours sends its own ask to them."`

	GraphURL       string           `json:"graph_url,omitempty" yaml:"graph_url,omitempty" default:"https://graph.facebook.com/v25.0" doc:"The Graph API with its version: https, or http to this machine."`
	Timeout        channel.Duration `json:"timeout,omitempty" yaml:"timeout,omitempty" default:"20s" doc:"How long one call may take in all."`
	ConnectTimeout channel.Duration `json:"connect_timeout,omitempty" yaml:"connect_timeout,omitempty" default:"5s" doc:"How long opening a connection may take."`

	AppSecretProof bool  `json:"appsecret_proof,omitempty" yaml:"appsecret_proof,omitempty" doc:"Send the proof that an app can be set to demand of every call."`
	Resend         *bool `json:"resend,omitempty" yaml:"resend,omitempty" default:"true" doc:"After a lost answer, try once more with the same token: the platform refuses a token's second use."`
}

// filled gives c with its defaults, or all that is wrong with it.
func (c Config) filled() (Config, error) {
	if c.GraphURL == "" {
		c.GraphURL = DefaultGraphURL
	}
	c.GraphURL = strings.TrimRight(c.GraphURL, "/")
	if c.Timeout == 0 {
		c.Timeout = channel.Duration(defaultTimeout)
	}
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = channel.Duration(defaultConnectTimeout)
	}
	faults := []error{
		checkPageID(c.PageID),
		checkSecret("page_token", c.PageToken, true),
		checkSecret("app_secret", c.AppSecret, true),
		checkSecret("verify_token", c.VerifyToken, false),
		checkAddress("graph_url", c.GraphURL, DefaultGraphURL),
		checkSpan("timeout", c.Timeout),
		checkSpan("connect_timeout", c.ConnectTimeout),
	}
	for i, s := range c.OldAppSecrets {
		faults = append(faults, checkSecret("old_app_secrets["+strconv.Itoa(i)+"]", s, true))
	}
	faults = append(faults, c.Chatfuel.faults()...)
	return c, errors.Join(faults...)
}

// resends reports whether the token's single use is relied on.
func (c *Config) resends() bool { return c.Resend == nil || *c.Resend }

// asksOnLink reports whether whoever comes through a link is asked.
func (c *Config) asksOnLink() bool { return c.AskOnLink == nil || *c.AskOnLink }

// secrets gives the app secrets that a webhook may be signed with, the present one first.
func (c *Config) secrets() []otn.Secret { return append([]otn.Secret{c.AppSecret}, c.OldAppSecrets...) }

func checkPageID(id string) error {
	if id == "" {
		return channel.Fault("page_id", "is required")
	}
	if len(id) > 32 || strings.Trim(id, "0123456789") != "" {
		return channel.Fault("page_id", "%q is not a page's id: want digits", clean(id, 40))
	}
	return nil
}

// checkSecret finds what copying a secret into a file or a variable tends to spoil.
func checkSecret(path string, s otn.Secret, required bool) error {
	switch text := s.Reveal(); {
	case text == "" && !required:
		return nil
	case text == "":
		return channel.Fault(path, "is required")
	case strings.TrimSpace(text) != text, strings.ContainsAny(text, "\r\n\x00"):
		return channel.Fault(path, "has a blank or a line break at its edge or inside: look at the file or variable it comes from")
	}
	return nil
}

// checkAddress keeps access tokens off the open wire: https, or http to this very machine.
func checkAddress(path, text, form string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return channel.Fault(path, "want the form %s", form)
	}
	if u.Scheme == "https" || u.Scheme == "http" && loopback(u.Hostname()) {
		return nil
	}
	return channel.Fault(path, "must be https: the access token travels with every call")
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func checkSpan(path string, d channel.Duration) error {
	if d < 0 {
		return channel.Fault(path, "is below zero")
	}
	return nil
}
