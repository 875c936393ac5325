// One message: posted once, and what its answer, or the lack of one, says.

package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/channel"
	"github.com/onetimenotify/otn/plugins/internal/reach"
)

// An answer's body says nothing that is needed: it is read so far, for so long, only to keep the connection.
const (
	maxAnswer  = 64 << 10
	answerTime = time.Second
)

// Body is what is posted. It is the same at each attempt.
type Body struct {
	Type string  `json:"type"` // "otn.message"
	Data Content `json:"data"`
}

// Content is one message to one person.
type Content struct {
	Delivery   string      `json:"delivery"` // the webhook-id
	Run        string      `json:"run"`      // what the deliveries of one news have in common
	Channel    string      `json:"channel"`  // the instance's name
	Subscriber Person      `json:"subscriber"`
	Message    otn.Message `json:"message"`
}

// Person is whom it is for, as the merchant named them when the consent was given.
type Person struct {
	ID      string `json:"id"`
	Address string `json:"address,omitempty"`
}

// idle is how long a connection is kept without use: less than receivers keep it, for a message written to one that the other side is just
// closing is a message of which nobody can tell.
const idle = time.Second

const messageType = "otn.message"

func (w *Webhook) newClient(roots *x509.CertPool) *http.Client {
	transport := reach.Transport(w.config.AllowPrivate)
	transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	transport.ResponseHeaderTimeout = 0 // the whole call has a limit
	transport.MaxIdleConnsPerHost, transport.MaxConnsPerHost = w.config.MaxInFlight, w.config.MaxInFlight
	transport.IdleConnTimeout = idle
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// Send posts a message. Whatever goes wrong before there is a connection is certainly not sent; whatever goes wrong on it, before an answer
// came, nobody can tell.
func (w *Webhook) Send(ctx context.Context, d otn.Delivery) (otn.Receipt, error) {
	body, err := json.Marshal(Body{messageType, Content{d.ID.String(), d.ID.Run().String(), d.Channel, Person{d.Subscriber.ID, d.Subscriber.Address.Reveal()}, d.Message}})
	if err == nil && len(body) > w.config.MaxMessage {
		err = fmt.Errorf("%d bytes, the limit is %d (max_message)", len(body), w.config.MaxMessage)
	}
	if err != nil {
		return otn.Receipt{}, &otn.SendError{Outcome: otn.Invalid, Code: "too_large", Err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(w.config.Timeout))
	defer cancel()
	var connected atomic.Bool
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }})
	r, err := w.request(traced, d.ID.String(), body)
	if err != nil {
		return otn.Receipt{}, err
	}
	answer, err := w.client.Do(r)
	if err != nil {
		return otn.Receipt{}, w.unanswered(ctx, err, connected.Load())
	}
	verdict := w.verdict(answer)
	drain(answer, cancel)
	return otn.Receipt{}, verdict
}

// request is a signed POST. It carries no Idempotency-Key: with one, net/http would post again what a connection may have taken.
func (w *Webhook) request(ctx context.Context, id string, body []byte) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url.String(), bytes.NewReader(body))
	if err != nil {
		return nil, channel.NotSent(errors.New("webhook: no address that can be posted to"))
	}
	at := w.now()
	r.Header = http.Header{
		"Content-Type": {"application/json"}, "User-Agent": {"otn-webhook/" + version},
		"Webhook-Id": {id}, "Webhook-Timestamp": {strconv.FormatInt(at.Unix(), 10)}, "Webhook-Signature": {w.sign(id, at, body)},
	}
	return r, nil
}

// drain reads an answer to its end, within bounds, so that the next message finds the connection open.
func drain(answer *http.Response, cancel context.CancelFunc) {
	defer answer.Body.Close() //nolint:errcheck // all that matters was said before it
	if answer.ContentLength > maxAnswer {
		return
	}
	timer := time.AfterFunc(answerTime, cancel)
	defer timer.Stop()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, maxAnswer))
}

// unanswered is what a call without an answer means. It quotes no address: that may hold a secret.
func (w *Webhook) unanswered(ctx context.Context, err error, connected bool) error {
	var of *url.Error
	if errors.As(err, &of) {
		err = of.Err
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("no answer within %s, or within the time that was left", w.config.Timeout)
	}
	err = fmt.Errorf("webhook: %s: %w", w.url.Host, err)
	switch {
	case errors.Is(err, reach.ErrGuarded):
		return &otn.SendError{Outcome: otn.Invalid, Scope: otn.ChannelScope, Code: "private_address", Err: fmt.Errorf("%w; allow_private lets private ones be posted to", err)}
	case !connected:
		return channel.NotSent(err)
	}
	return &otn.SendError{Outcome: otn.Unknown, Code: "no_answer", Err: err}
}
