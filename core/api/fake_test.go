// A host that remembers what it was asked, and the door to it.

package api_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/api"
	"github.com/onetimenotify/otn/core/otn"
)

const key = "otn_admin_test_0123456789012345678901234567890123"

// fake is a host that remembers what it was asked and answers with err.
type fake struct {
	err      error
	panics   bool
	channels []core.InstanceView
	got      any
	added    bool
	tagged   string
	recorded []core.AuditEntry
}

func (f *fake) Grant(_ context.Context, c ...otn.Consent) ([]core.Granted, error) {
	f.got = c
	return []core.Granted{{ID: "c1", Added: f.added}}, f.err
}

func (f *fake) Observe(_ context.Context, obs ...otn.Observation) (core.Observed, error) {
	f.got = obs
	return core.Observed{Accepted: len(obs), Changed: 1}, f.err
}

func (f *fake) Trigger(_ context.Context, t otn.Trigger) (core.Accepted, error) {
	f.got = t
	return core.Accepted{ID: "t1"}, f.err
}

func (f *fake) Link(_ context.Context, r core.LinkRequest) (core.LinkView, error) {
	f.got = r
	return core.LinkView{URL: "https://chat.example/n", Ref: "n", Means: "m"}, f.err
}

func (f *fake) Ask(_ context.Context, r core.AskRequest) (otn.Receipt, error) {
	f.got = r
	return otn.Receipt{ProviderID: "m_1"}, f.err
}

func (f *fake) Send(_ context.Context, r core.SendRequest) (core.SendAnswer, error) {
	f.got = r
	return core.SendAnswer{ID: "s1", Runs: []string{"r1"}, Reaches: 214}, f.err
}

func (f *fake) Replay(_ context.Context, q core.ReplayRequest) (core.Replay, error) {
	f.got = q
	return core.Replay{Events: 7, Rules: []core.ReplayedRule{}, Fires: []core.Fired{}}, f.err
}

func (f *fake) Diff(_ context.Context, q core.DiffRequest) (core.Diff, error) {
	f.got = q
	return core.Diff{Looked: 9, Rules: []core.RuleDiff{}, Topics: []core.TopicDiff{}}, f.err
}

func (f *fake) Topics() ([]core.TopicView, error) {
	if f.panics {
		panic("canary")
	}
	return nil, f.err
}

func (f *fake) Consents(q core.ConsentQuery) ([]core.ConsentView, string, error) {
	f.got = q
	return []core.ConsentView{{ID: "c1"}}, "more", f.err
}

func (f *fake) Consent(id string) (core.ConsentView, error) { return core.ConsentView{ID: id}, f.err }

func (f *fake) Runs(q core.RunQuery) ([]core.RunView, string, error) {
	f.got = q
	return nil, "", f.err
}

func (f *fake) RunByID(id string) (core.RunView, error) { return core.RunView{ID: id}, f.err }

func (f *fake) Deliveries(q core.DeliveryQuery) ([]core.DeliveryView, string, error) {
	f.got = q
	return nil, "", f.err
}

func (f *fake) GrantEach(_ context.Context, dry bool, c ...otn.Consent) ([]core.GrantedEach, error) {
	f.got = c
	out := make([]core.GrantedEach, len(c))
	for i := range c {
		out[i].Granted = core.Granted{ID: fmt.Sprint("c", i), Added: f.added && !dry}
		if c[i].Topic == "unknown" {
			out[i].Err = otn.ErrUnknownTopic
		}
	}
	return out, f.err
}

func (f *fake) Export(_ context.Context, cursor string, limit int) ([]otn.Consent, string, error) {
	f.got = fmt.Sprint("export ", cursor, limit)
	return []otn.Consent{{Token: otn.NewToken("page", "tok-1"), Channel: "shop", Topic: "t", Tags: []string{"vip"}}}, "more", f.err
}

func (f *fake) Erase(_ context.Context, channel, id string) (core.Erased, error) {
	f.got = "erase " + channel + " " + id
	return core.Erased{Consents: 2, Done: true}, f.err
}

func (f *fake) Withdraw(_ context.Context, id string) (core.ConsentView, error) {
	f.got = "withdraw " + id
	return core.ConsentView{ID: id, State: "withdrawn"}, f.err
}

func (f *fake) Resolve(_ context.Context, id string, sent bool) (core.DeliveryView, error) {
	f.got = fmt.Sprint(id, sent)
	return core.DeliveryView{ID: id, Outcome: "sent"}, f.err
}

func (f *fake) ResumeRun(_ context.Context, id string) (core.RunView, error) {
	f.got = "resume " + id
	return core.RunView{ID: id, State: "running"}, f.err
}

func (f *fake) PollNow(_ context.Context, source string, accept bool) (core.PollView, error) {
	f.got = fmt.Sprint("poll ", source, accept)
	return core.PollView{Line: "@daily"}, f.err
}

func (f *fake) ApproveRun(_ context.Context, id string) (core.RunView, error) {
	f.got = "approve " + id
	return core.RunView{ID: id, State: "running"}, f.err
}

func (f *fake) PauseRun(_ context.Context, id string) (core.RunView, error) {
	f.got = "pause " + id
	return core.RunView{ID: id, State: "paused"}, f.err
}

func (f *fake) CancelRun(_ context.Context, id string) (core.RunView, error) {
	f.got = "cancel " + id
	return core.RunView{ID: id, State: "cancelled"}, f.err
}

func (f *fake) ListRules() (core.RulesView, error) {
	return core.RulesView{Version: "v1", Rules: []core.RuleView{{ID: "back", Topic: "back-in-stock", State: true}}}, f.err
}

func (f *fake) RearmRule(_ context.Context, rule, subject string) (int, error) {
	f.got = "rearm " + rule + " " + subject
	return 3, f.err
}

func (f *fake) Why(channel, subscriber, rule string) (core.Why, error) {
	f.got = channel + "/" + subscriber + "/" + rule
	return core.Why{Channel: channel, Subscriber: subscriber}, f.err
}

func (f *fake) Backup(_ context.Context, dir string) (core.Backup, error) {
	f.got = "backup " + dir
	return core.Backup{Writes: 7}, f.err
}

func (f *fake) Subscriber(channel, subscriber string) (core.SubscriberView, error) {
	f.got = "show " + channel + "/" + subscriber
	return core.SubscriberView{
		Channel: channel, Subscriber: subscriber, Tags: []string{"vip"}, Consents: []core.ConsentView{}, Deliveries: []core.DeliveryView{}, Asks: []core.AskView{}, Timeline: []core.Moment{},
	}, f.err
}

func (f *fake) Tag(_ context.Context, channel, subscriber string, c core.TagChange) ([]string, error) {
	f.tagged = fmt.Sprintf("%s/%s %v%v +%v -%v", channel, subscriber, c.Set, c.Set != nil, c.Add, c.Remove)
	return nil, f.err
}

func (f *fake) Look(_ context.Context, q core.LookRequest) (core.Look, error) {
	f.got = q
	return core.Look{Rule: otn.Rule{ID: q.Rule}, Consent: otn.Consent{Channel: q.Channel, Subject: q.Subject}}, f.err
}

func (f *fake) Instances(context.Context) (channels, sources []core.InstanceView) {
	return f.channels, nil
}

func (f *fake) DeliveryByID(id string) (core.DeliveryView, error) {
	return core.DeliveryView{ID: id}, f.err
}

func (f *fake) Events(after uint64, limit int) ([]core.EventView, error) {
	f.got = fmt.Sprint("events ", after, limit)
	return []core.EventView{{Seq: after + 1, Kind: "trigger", Body: json.RawMessage(`{"n":1}`)}}, f.err
}

func (f *fake) Newest() (uint64, error) { return 1, f.err }

func (f *fake) Sends() ([]core.SendView, error) {
	return []core.SendView{{ID: "send-1", Run: "r1"}}, f.err
}

func (f *fake) Scheduled(id string) (core.SendView, error) {
	f.got = "scheduled " + id
	return core.SendView{ID: id}, f.err
}

func (f *fake) EditSend(_ context.Context, id string, c core.SendChange) (core.SendView, error) {
	f.got = c
	return core.SendView{ID: id}, f.err
}

func (f *fake) CancelSend(_ context.Context, id string) (core.RunView, error) {
	f.got = "cancel send " + id
	return core.RunView{ID: id, State: "cancelled"}, f.err
}

// Authorize knows one key, which may everything.
func (f *fake) Authorize(secret otn.Secret) (core.Key, error) {
	if secret.Reveal() != key {
		return core.Key{}, otn.ErrUnauthorized
	}
	return core.Key{ID: "test", Scopes: core.Scopes()}, nil
}

func (f *fake) Keys() ([]core.Key, error) {
	return []core.Key{{ID: "k1", Name: "n", Scopes: core.Scopes()}}, f.err
}

func (f *fake) CreateKey(_ context.Context, r core.KeyRequest) (core.Key, otn.Secret, error) {
	f.got = r
	return core.Key{ID: "k1", Name: r.Name, Scopes: r.Scopes}, otn.NewSecret("shown-once"), f.err
}

func (f *fake) RevokeKey(_ context.Context, id string) error {
	f.got = "revoke " + id
	return f.err
}

func (f *fake) Record(_ context.Context, e core.AuditEntry) error {
	f.recorded = append(f.recorded, e)
	return nil
}

func (f *fake) Audit(q core.AuditQuery) ([]core.AuditEntry, string, error) {
	f.got = q
	return []core.AuditEntry{{N: 7, Act: "send"}}, "6", f.err
}

func (f *fake) VerifyAudit(_ context.Context, n uint64, hash string) (core.AuditReport, error) {
	f.got = fmt.Sprint("verify ", n, hash)
	return core.AuditReport{Entries: 7, Last: 7, Hash: "h", Faults: []core.AuditFault{}}, f.err
}

func (f *fake) PersonName(channel, id string) string { return fmt.Sprint("person:", len(channel+id)) }

// BeginCall lets every call happen; a whole host is asked where that matters.
func (f *fake) BeginCall(_ context.Context, c core.Call) (*core.Begun, *core.CallAnswer, error) {
	if c.Entry.Act != "" {
		f.recorded = append(f.recorded, c.Entry)
	}
	return &core.Begun{}, nil, nil
}

func (f *fake) EndCall(_ context.Context, _ *core.Begun, what, outcome string, _ *core.CallAnswer) error {
	if n := len(f.recorded); n > 0 {
		f.recorded[n-1].What, f.recorded[n-1].Outcome = cmp.Or(what, f.recorded[n-1].What), outcome
	}
	return nil
}

func open(t *testing.T, f *fake) *httptest.Server {
	t.Helper()
	if f.channels == nil {
		f.channels = []core.InstanceView{{Name: "shop", State: "ready", Account: "111"}}
	}
	s := httptest.NewServer(api.New(f, api.Options{Version: "test", Log: slog.New(slog.DiscardHandler), Plugins: plugs{f}}))
	t.Cleanup(s.Close)
	return s
}

func call(t *testing.T, s *httptest.Server, method, path, body string, headers ...string) (int, string, http.Header) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+key)
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, strings.TrimSpace(string(text)), resp.Header
}
