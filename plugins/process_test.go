// A plugin's process in good days: launched, configured, called, stopped.

package plugins_test

import (
	"errors"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins"
	"github.com/onetimenotify/otn/plugins/mock"
)

func TestProcessDoesWhatThePluginCan(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out.jsonl")
	p := launch(t, plugins.Spec{Config: config(t, map[string]any{"out": out, "account": "page-1"})})
	ready(t, p)
	about, err := p.Describe(t.Context())
	if err != nil || about.Name != "mock" || about.Account != "page-1" || !about.Capabilities.Sends || about.Capabilities.Polls || about.Capabilities.MaxInFlight != 64 || len(about.Schema) == 0 {
		t.Errorf("Describe: %+v, %v", about, err)
	}
	receipt, err := p.Send(t.Context(), delivery(1))
	if err != nil || receipt.ProviderID != "mock."+delivery(1).ID.String() {
		t.Errorf("Send: %+v, %v", receipt, err)
	}
	if lines, err := mock.ReadFile(out); err != nil || len(lines) != 1 || lines[0].Delivery != delivery(1).ID || lines[0].Token != delivery(1).Token.ID() {
		t.Errorf("out has %+v, %v", lines, err)
	}
	if receipt, err := p.Ask(t.Context(), otn.Ask{ID: "7"}); err != nil || receipt.ProviderID != "ask.7" {
		t.Errorf("Ask: %+v, %v", receipt, err)
	}
	resp, records, err := p.Receive(t.Context(), otn.Request{Method: http.MethodPost, Body: []byte(`{"recipient":"222","topic":"restock","token":"t1"}`)})
	if err != nil || resp.Status != http.StatusOK || len(records) != 1 || records[0].Consent.Token.ID() != otn.NewToken("page-1", "t1").ID() {
		t.Errorf("Receive: %+v, %+v, %v", resp, records, err)
	}
	if s := p.State(); s.Phase != plugins.Ready || s.PID == 0 || s.Restarts != 0 {
		t.Errorf("state %+v", s)
	}
}

func TestProcessBeforeItRuns(t *testing.T) {
	p := plugins.New(plugins.Spec{Name: "shop"})
	_, err := p.Send(t.Context(), delivery(1))
	if outcome, se := otn.OutcomeOf(err); outcome != otn.Deferred || se.Scope != otn.ChannelScope {
		t.Errorf("Send: %v", err)
	}
	if _, _, err := p.Receive(t.Context(), otn.Request{}); !errors.Is(err, otn.ErrUnavailable) {
		t.Errorf("Receive: %v", err)
	}
	if _, err := p.Describe(t.Context()); !errors.Is(err, otn.ErrUnavailable) {
		t.Errorf("Describe: %v", err)
	}
}
