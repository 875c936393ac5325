// What the console is tested with: a host that says the same text in every field, and a browser without a screen.

package console_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/console"
	"github.com/onetimenotify/otn/core/otn"
)

// noon is the moment of the tests.
var noon = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

// recipient is the id of the person of the tests: no page may hold it.
const recipient = "recipient-canary-5400000000000013"

// fake is a host. text is in every field of everything that it shows.
type fake struct {
	mu                  sync.Mutex
	text                string
	err                 error
	state               string // of runs
	doubts              int
	reaches             int64
	duplicate           bool
	done                []string // what was done
	read                []string // what was looked at
	acts                []core.AuditEntry
	unrecorded, unended error // what the audit log says to the beginning and to the end of an act
	panics              bool  // whatever is done
	keys                map[string]core.Key
}

func newFake() *fake {
	all := []core.Scope{core.ScopeRead, core.ScopeSubmit, core.ScopeSend, core.ScopeAdmin}
	f := &fake{text: "plain", state: "running", doubts: 2, reaches: 214, keys: map[string]core.Key{"all": {ID: "all", Name: "everything", Scopes: all}}}
	for _, s := range all {
		f.keys[string(s)] = core.Key{ID: string(s), Scopes: []core.Scope{s}}
		f.keys["read+"+string(s)] = core.Key{ID: "read+" + string(s), Scopes: []core.Scope{core.ScopeRead, s}}
	}
	return f
}

func (f *fake) note(list *[]string, format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	*list = append(*list, fmt.Sprintf(format, args...))
}

func (f *fake) did(format string, args ...any) error {
	if f.panics {
		panic("a fault")
	}
	f.note(&f.done, format, args...)
	return f.err
}

func (f *fake) saw(what string) error { f.note(&f.read, "%s", what); return f.err }

// filled makes a T with the text in every field that holds one, and 3 in every number.
func filled[T any](f *fake) (v T) {
	fill(reflect.ValueOf(&v).Elem(), f.text, 0)
	return v
}

func fill(v reflect.Value, text string, depth int) {
	switch {
	case depth > 8 || !v.CanSet():
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(noon.Add(-time.Hour)))
	case v.Kind() == reflect.String:
		v.SetString(text)
	case v.Kind() == reflect.Bool:
		v.SetBool(true)
	case v.CanInt():
		v.SetInt(3)
	case v.CanUint():
		v.SetUint(3)
	case v.CanFloat():
		v.SetFloat(3)
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), text, depth+1)
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), text, depth+1)
		}
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8:
		v.SetBytes([]byte(`{"field": "` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"}`))
	case v.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range 2 {
			fill(v.Index(i), text, depth+1)
		}
	case v.Kind() == reflect.Map && v.Type().Key().Kind() == reflect.String:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key, text, depth+1)
		fill(value, text, depth+1)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	}
}

func (f *fake) Overview() (core.Overview, error) {
	return core.Overview{Waiting: 12, Unknown: 2, Paused: 3, Decide: []core.RunView{f.runView()}}, f.saw("overview")
}

func (f *fake) Topics() ([]core.TopicView, error) {
	declared := core.TopicView{ID: "price-drop", Use: otn.PriceDrop, Waiting: 12}
	return []core.TopicView{declared, filled[core.TopicView](f)}, f.saw("topics")
}

func (f *fake) Days(_, _ time.Time) ([]core.Day, error) {
	return []core.Day{{Date: "2026-11-26", Granted: 4}, {Date: "2026-11-27", Granted: 5, Sent: 2}}, f.saw("days")
}

func (f *fake) Waiting(string, string) (int64, error) { return 41, f.saw("waiting") }

func (f *fake) Demand(string, int) ([]core.DemandView, int, error) {
	return []core.DemandView{filled[core.DemandView](f)}, 5, f.saw("demand")
}

func (f *fake) consent() core.ConsentView {
	c := filled[core.ConsentView](f)
	c.State, c.Subscriber = "waiting", recipient
	return c
}

func (f *fake) Consents(core.ConsentQuery) ([]core.ConsentView, string, error) {
	return []core.ConsentView{f.consent()}, f.text, f.saw("consents")
}

func (f *fake) Consent(string) (core.ConsentView, error) { return f.consent(), f.err }

func (f *fake) Withdraw(_ context.Context, id string) (core.ConsentView, error) {
	return core.ConsentView{State: "withdrawn"}, f.did("withdraw %s", id)
}

func (f *fake) runView() core.RunView {
	r := filled[core.RunView](f)
	r.ID, r.State, r.WantsApproval = "r1", f.state, f.state == "paused"
	return r
}

func (f *fake) OpenRuns(int) ([]core.RunView, error) {
	return []core.RunView{f.runView()}, f.saw("open runs")
}

func (f *fake) Runs(core.RunQuery) ([]core.RunView, string, error) {
	return []core.RunView{f.runView()}, "next-run", f.saw("runs")
}

func (f *fake) RunByID(id string) (core.RunView, error) {
	if id != "r1" {
		return core.RunView{}, otn.ErrNotFound
	}
	return f.runView(), f.saw("run")
}

func (f *fake) ApproveRun(_ context.Context, id string) (core.RunView, error) {
	return f.runView(), f.did("approve %s", id)
}

func (f *fake) PauseRun(_ context.Context, id string) (core.RunView, error) {
	return f.runView(), f.did("pause %s", id)
}

func (f *fake) ResumeRun(_ context.Context, id string) (core.RunView, error) {
	return f.runView(), f.did("resume %s", id)
}

func (f *fake) CancelRun(_ context.Context, id string) (core.RunView, error) {
	return f.runView(), f.did("cancel %s", id)
}

func (f *fake) Deliveries(q core.DeliveryQuery) (list []core.DeliveryView, next string, err error) {
	for i := range f.doubts {
		d := filled[core.DeliveryView](f)
		d.ID, d.Outcome, d.Subscriber, d.Run, d.Detail = fmt.Sprint("d", i), "unknown", recipient, "r1", f.text+" the platform says "+recipient
		list = append(list, d)
	}
	return list, "", f.saw("deliveries " + q.Run + q.Outcome)
}

func (f *fake) Resolve(_ context.Context, id string, sent bool) (core.DeliveryView, error) {
	return core.DeliveryView{}, f.did("resolve %s %v", id, sent)
}

func (f *fake) Subscriber(channel, id string) (core.SubscriberView, error) {
	if id != recipient {
		return core.SubscriberView{}, fmt.Errorf("core: nothing is known of %s through %s: %w", id, channel, otn.ErrNotFound)
	}
	s := filled[core.SubscriberView](f)
	s.Channel, s.Subscriber, s.Consents = channel, id, []core.ConsentView{f.consent()}
	for i := range s.Deliveries {
		s.Deliveries[i].Subscriber, s.Deliveries[i].Detail = id, "said of "+id
	}
	s.Timeline[0].Kind = "window"
	return s, f.saw("subscriber")
}

func (f *fake) Why(_, _, _ string) (core.Why, error) {
	w := filled[core.Why](f)
	w.Reasons[0].Verdict = "no"
	w.Reasons[1].Values = []string{"item.stock >= sub.quantity = false", "sub.id = " + recipient}
	w.Reasons[0].Because += " said of " + recipient
	return w, f.saw("why")
}

func (f *fake) Tag(_ context.Context, channel, id string, c core.TagChange) ([]string, error) {
	return nil, f.did("tag %s %s %q", channel, id, c.Set)
}

func (f *fake) Erase(_ context.Context, channel, id string) (core.Erased, error) {
	return core.Erased{Consents: 1, Done: true}, f.did("erase %s %s", channel, id)
}

func (f *fake) Ask(_ context.Context, r core.AskRequest) (otn.Receipt, error) {
	return otn.Receipt{}, f.did("ask %s %s %s %s", r.Channel, r.Recipient, r.Topic, r.Subject)
}

func (f *fake) Send(_ context.Context, r core.SendRequest) (core.SendAnswer, error) {
	if r.Message.Text == "itm" {
		return core.SendAnswer{}, fmt.Errorf(`send: unknown name "itm": %w`, otn.ErrInvalid)
	}
	a := core.SendAnswer{ID: "send", Reaches: f.reaches, Runs: []string{"r1"}, At: r.At, Duplicate: f.duplicate}
	if r.DryRun {
		return a, f.saw("send")
	}
	return a, f.did("send %s %s %v %q %s %v", r.Topic, r.Subject, r.AllSubjects, r.Message.Text, r.Key, r.At)
}

func (f *fake) ListRules() (core.RulesView, error) {
	return filled[core.RulesView](f), f.saw("rules")
}

// shopRules are rules of which only the lists are asked for.
type shopRules struct {
	otn.Rules
	f *fake
}

func (r shopRules) List() []otn.Rule {
	hostile := filled[otn.Rule](r.f)
	hostile.ID = "hostile"
	return []otn.Rule{{ID: "price-drop", Topic: "price-drop", When: "item.price < was.price", File: "rules/shop.yaml", Line: 3, State: true}, hostile}
}

func (r shopRules) Topic(string) (otn.Topic, bool) { return filled[otn.Topic](r.f), true }
func (r shopRules) Asks() []otn.AskRule            { return []otn.AskRule{filled[otn.AskRule](r.f)} }

func (f *fake) Rules() otn.Rules { return shopRules{f: f} }

func (f *fake) RearmRule(_ context.Context, rule, subject string) (int, error) {
	return 2, f.did("rearm %s %s", rule, subject)
}

func (f *fake) Look(_ context.Context, q core.LookRequest) (core.Look, error) {
	if q.Subject == "none" {
		return core.Look{}, fmt.Errorf("core: %s waits for nothing of topic x: %w", q.Recipient, otn.ErrInvalid)
	}
	return core.Look{Rule: otn.Rule{ID: q.Rule}, Consent: otn.Consent{Subject: q.Subject}}, f.saw("look")
}

func (f *fake) Diff(context.Context, core.DiffRequest) (core.Diff, error) {
	return filled[core.Diff](f), f.saw("diff")
}

func (f *fake) Instances(context.Context) (channels, sources []core.InstanceView) {
	shop := filled[core.InstanceView](f)
	shop.Poll = nil
	return []core.InstanceView{shop}, []core.InstanceView{filled[core.InstanceView](f)}
}

func (f *fake) PollNow(_ context.Context, source string, accept bool) (core.PollView, error) {
	return core.PollView{}, f.did("poll %s %v", source, accept)
}

func (f *fake) Calendar(time.Time) ([]core.Upcoming, error) {
	send := filled[core.Upcoming](f)
	send.Kind, send.At = "send", noon.Add(30*time.Hour)
	return []core.Upcoming{{At: noon.Add(time.Hour), Kind: "cron", Rule: "price-drop", What: f.text}, send}, f.saw("calendar")
}

func (f *fake) JournalBefore(string, int) ([]core.JournalRow, string, error) {
	return []core.JournalRow{filled[core.JournalRow](f)}, "7", f.saw("journal")
}

func (f *fake) Backup(_ context.Context, dir string) (core.Backup, error) {
	return core.Backup{Consents: 12}, f.did("backup %s", dir)
}

// Authorize knows each key by its own name behind "secret-".
func (f *fake) Authorize(s otn.Secret) (core.Key, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	k, ok := f.keys[strings.TrimPrefix(s.Reveal(), "secret-")]
	if !ok {
		return k, otn.ErrUnauthorized
	}
	return k, nil
}

func (f *fake) Keys() ([]core.Key, error)                    { return []core.Key{filled[core.Key](f)}, f.saw("keys") }
func (f *fake) RevokeKey(_ context.Context, id string) error { return f.did("revoke %s", id) }
func (f *fake) PersonName(string, string) string             { return "person:abc" }

func (f *fake) Audit(core.AuditQuery) ([]core.AuditEntry, string, error) {
	return []core.AuditEntry{filled[core.AuditEntry](f)}, "9", f.saw("audit")
}

func (f *fake) Record(_ context.Context, a core.AuditEntry) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.acts = append(f.acts, a)
	return nil
}

// BeginCall lets every call happen; it is recorded as one that nobody knows the end of.
func (f *fake) BeginCall(_ context.Context, c core.Call) (*core.Begun, *core.CallAnswer, error) {
	if f.unrecorded != nil {
		return nil, nil, f.unrecorded
	}
	c.Entry.Outcome = "unknown"
	return new(core.Begun), nil, f.Record(context.Background(), c.Entry)
}

func (f *fake) EndCall(_ context.Context, _ *core.Begun, what, outcome string, _ *core.CallAnswer) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	last := &f.acts[len(f.acts)-1]
	last.What, last.Outcome = what, outcome
	return f.unended
}

// Check finds a fault wherever "itm" is written.
func (f *fake) Check(files []core.RuleFile, _ bool) core.Checked {
	c := core.Checked{Files: len(files)}
	for _, file := range files {
		for i, line := range strings.Split(file.Source, "\n") {
			if at := strings.Index(line, "itm"); at >= 0 {
				c.Faults = append(c.Faults, core.RuleFault{
					File: file.Name, Line: i + 1, Col: at + 1, Width: 3, Code: "R202", Message: `unknown name "itm"`, Hint: `did you mean "item"?`, Source: line, Severity: "error",
				})
			}
		}
	}
	if f.text != "plain" {
		c.Faults = append(c.Faults, filled[core.RuleFault](f))
	}
	return c
}

func (f *fake) Explain(core.Look) (core.Explanation, error) {
	return filled[core.Explanation](f), f.err
}
func (f *fake) Preview(core.Look) (core.Preview, error)    { return filled[core.Preview](f), f.err }
func (f *fake) Compile([]core.RuleFile) (otn.Rules, error) { return shopRules{f: f}, f.err }

// disk is one rule file.
type disk struct {
	f    *fake
	text string
}

const ruleFile = "rules/shop.yaml"

func (d *disk) Read() ([]core.RuleFile, error) {
	return []core.RuleFile{{Name: ruleFile, Source: d.text}}, nil
}

func (d *disk) Activate(_ context.Context, name, was, text string) error {
	if was != d.text {
		return otn.ErrConflict
	}
	d.text = text
	return d.f.did("activate %s", name)
}

func (d *disk) Test(context.Context, string, string) (console.Tested, error) {
	return filled[console.Tested](d.f), d.f.saw("test")
}

// plugs are the fake's plugins.
type plugs struct{ f *fake }

func (p plugs) Release(_ context.Context, name string) error { return p.f.did("release %s", name) }
func (p plugs) Validate(_ context.Context, name string) (bool, []string, error) {
	return true, nil, p.f.did("validate %s", name)
}

// browser is somebody before the console.
type browser struct {
	t       testing.TB
	f       *fake
	disk    *disk
	now     *time.Time
	handler http.Handler
	scheme  string // that a proxy in front told of
	cookies []*http.Cookie
}

func open(t *testing.T, f *fake, change ...func(*console.Options)) *browser {
	t.Helper()
	now := noon
	b := &browser{t: t, f: f, now: &now, disk: &disk{f, "version: 1\nrules: []\n"}}
	o := console.Options{Version: "1.2.3", Now: func() time.Time { return *b.now }, Author: f, Files: b.disk, Plugins: plugs{f}, Backups: "/var/backups"}
	for _, c := range change {
		c(&o)
	}
	h, err := console.New(f, o)
	if err != nil {
		t.Fatal(err)
	}
	b.handler = h
	return b
}

// do sends a request, and gives what came back.
func (b *browser) do(method, path string, form url.Values, headers ...string) (int, string, http.Header) {
	b.t.Helper()
	r := httptest.NewRequest(method, "http://otn.example"+path, strings.NewReader(form.Encode()))
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	r.URL.Scheme = b.scheme
	for _, c := range b.cookies {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, r)
	answer := w.Result()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	if set := answer.Cookies(); len(set) > 0 {
		b.cookies = set
	}
	return answer.StatusCode, string(text), answer.Header
}

func (b *browser) get(path string) string {
	b.t.Helper()
	status, text, _ := b.do("GET", path, nil)
	if status != http.StatusOK {
		b.t.Fatalf("GET %s: HTTP %d\n%s", path, status, text)
	}
	return text
}

// post sends a form and gives the page that it leads to.
func (b *browser) post(path string, pairs ...string) string {
	b.t.Helper()
	status, text, h := b.do("POST", path, form(pairs...))
	if status != http.StatusSeeOther {
		b.t.Fatalf("POST %s: HTTP %d\n%s", path, status, text)
	}
	return b.get(h.Get("Location"))
}

func form(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return v
}

// login begins a session with a key, by its name.
func (b *browser) login(key string) *browser {
	b.t.Helper()
	if status, text, _ := b.do("POST", "/login", form("key", "secret-"+key)); status != http.StatusSeeOther {
		b.t.Fatalf("login as %s: HTTP %d\n%s", key, status, text)
	}
	return b
}

// person finds the person of the tests, and gives the sealed name.
func (b *browser) person() string {
	b.t.Helper()
	status, text, h := b.do("POST", "/people", form("channel", "shop", "id", recipient))
	to, err := url.Parse(h.Get("Location"))
	if status != http.StatusSeeOther || err != nil || to.Query().Get("p") == "" {
		b.t.Fatalf("nobody was found: HTTP %d %q %v\n%s", status, to, err, text)
	}
	return to.Query().Get("p")
}
