// A receiver as a merchant would write one from the README: it checks the signature, and takes each webhook-id once.

package webhook_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/channel"
	"github.com/onetimenotify/otn/plugins/webhook"
)

const (
	secret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"
	next   = "whsec_bmV4dCBrZXksIG5leHQga2V5LCBuZXh0IGtleSE="
)

// receiver is the merchant's side.
type receiver struct {
	*httptest.Server
	t      testing.TB
	secret string

	mu     sync.Mutex
	calls  int
	told   map[string]webhook.Body // by webhook-id
	order  []string                // ids, as they came
	answer func(w http.ResponseWriter, r *http.Request)
}

// newReceiver listens on this machine, with TLS.
func newReceiver(t testing.TB) *receiver {
	rc := &receiver{t: t, secret: secret, told: map[string]webhook.Body{}}
	rc.Server = httptest.NewTLSServer(rc)
	t.Cleanup(rc.Close)
	return rc
}

// answers sets what a call is answered that is signed well.
func (rc *receiver) answers(with func(w http.ResponseWriter, r *http.Request)) {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	rc.answer = with
}

func (rc *receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil || !verified(rc.secret, r.Header, body) {
		http.Error(w, "the signature does not match", http.StatusUnauthorized)
		return
	}
	var b webhook.Body
	if err := json.Unmarshal(body, &b); err != nil {
		rc.t.Errorf("%s: %v", body, err)
	}
	rc.mu.Lock()
	rc.calls++
	rc.order = append(rc.order, r.Header.Get("webhook-id"))
	rc.told[r.Header.Get("webhook-id")] = b
	answer := rc.answer
	rc.mu.Unlock()
	if answer != nil {
		answer(w, r)
	}
}

// verified checks a call as Standard Webhooks 1.0 says.
func verified(secret string, h http.Header, body []byte) bool {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		return false
	}
	mac := hmac.New(sha256.New, key)
	_, _ = fmt.Fprintf(mac, "%s.%s.%s", h.Get("webhook-id"), h.Get("webhook-timestamp"), body)
	seconds, err := strconv.ParseInt(h.Get("webhook-timestamp"), 10, 64)
	if age := time.Since(time.Unix(seconds, 0)).Abs(); err != nil || age > 5*time.Minute {
		return false
	}
	for _, one := range strings.Fields(h.Get("webhook-signature")) {
		if given, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(one, "v1,")); err == nil && hmac.Equal(given, mac.Sum(nil)) {
			return true
		}
	}
	return false
}

// ca is the receiver's certificate as PEM.
func (rc *receiver) ca() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: rc.Certificate().Raw}))
}

// config is a configuration of a channel to the receiver, as JSON. more replaces its settings.
func (rc *receiver) config(more map[string]any) string {
	c := map[string]any{"url": rc.URL + "/otn?key=s3cret", "secret": secret, "ca": rc.ca(), "allow_private": true}
	for name, value := range more {
		c[name] = value
	}
	text, err := json.Marshal(c)
	if err != nil {
		rc.t.Fatal(err)
	}
	return string(text)
}

// open opens a channel as the host does.
func open(t testing.TB, config string) *channel.Instance {
	t.Helper()
	i, err := webhook.Plugin.Open(t.Context(), []byte(config), channel.Setup{Instance: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := i.Close(); err != nil {
			t.Error(err)
		}
	})
	return i
}

func delivery() otn.Delivery {
	var id otn.DeliveryID
	copy(id[:], "run-0123456789person-abcd")
	return otn.Delivery{
		ID: id, Channel: "shop", Token: otn.NewToken("", "t0ken"), Attempt: 1, Deadline: time.Now().Add(time.Hour),
		Subscriber: otn.Subscriber{ID: "ada@example.org", Address: otn.NewSecret("+49 30 1234")},
		Message:    otn.Message{Card: &otn.Card{Title: "The wool coat is back", URL: "https://shop.example/coat", Buttons: []otn.Button{{Title: "See it", URL: "https://shop.example/coat"}}}},
	}
}

// outcome sends one message and gives what became of it. No error shows a secret.
func outcome(t testing.TB, c otn.Channel) (otn.Outcome, *otn.SendError) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_, err := c.Send(ctx, delivery())
	if err != nil && (strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "/otn") || strings.Contains(err.Error(), "t0ken")) {
		t.Errorf("the error shows a secret: %v", err)
	}
	o, se := otn.OutcomeOf(err)
	if se == nil {
		se = &otn.SendError{}
	}
	return o, se
}
