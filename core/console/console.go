// The console: pages for operators, made on the server. They read without JavaScript; a little of it makes them live.

// Package console shows a Host to operators in a browser, and lets them act. Whoever comes in has a key of the operator's
// door, and may do what its scopes allow. Pages hold neither secrets nor whole recipient ids.
package console

import (
	"context"
	"embed"
	"html/template"
	"log/slog"
	"net/http"
	"time"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/otn"
)

//go:embed files pages
var content embed.FS

// Host is what the console shows. *core.Host is one.
type Host interface {
	Overview() (core.Overview, error)
	Topics() ([]core.TopicView, error)
	Days(from, to time.Time) ([]core.Day, error)
	Waiting(topic, subject string) (int64, error)
	Demand(topic string, limit int) (longest []core.DemandView, lists int, err error)
	Consents(q core.ConsentQuery) (list []core.ConsentView, next string, err error)
	Consent(id string) (core.ConsentView, error)
	Withdraw(ctx context.Context, id string) (core.ConsentView, error)

	OpenRuns(limit int) ([]core.RunView, error)
	Runs(q core.RunQuery) (list []core.RunView, next string, err error)
	RunByID(id string) (core.RunView, error)
	ApproveRun(ctx context.Context, id string) (core.RunView, error)
	PauseRun(ctx context.Context, id string) (core.RunView, error)
	ResumeRun(ctx context.Context, id string) (core.RunView, error)
	CancelRun(ctx context.Context, id string) (core.RunView, error)
	Deliveries(q core.DeliveryQuery) (list []core.DeliveryView, next string, err error)
	Resolve(ctx context.Context, id string, sent bool) (core.DeliveryView, error)

	Subscriber(channel, subscriber string) (core.SubscriberView, error)
	Why(channel, subscriber, rule string) (core.Why, error)
	Tag(ctx context.Context, channel, subscriber string, c core.TagChange) ([]string, error)
	Erase(ctx context.Context, channel, subscriber string) (core.Erased, error)
	Ask(ctx context.Context, r core.AskRequest) (otn.Receipt, error)
	Send(ctx context.Context, r core.SendRequest) (core.SendAnswer, error)

	ListRules() (core.RulesView, error)
	Rules() otn.Rules
	RearmRule(ctx context.Context, rule, subject string) (int, error)
	Look(ctx context.Context, q core.LookRequest) (core.Look, error)
	Diff(ctx context.Context, q core.DiffRequest) (core.Diff, error)

	Instances(ctx context.Context) (channels, sources []core.InstanceView)
	PollNow(ctx context.Context, source string, accept bool) (core.PollView, error)
	Calendar(until time.Time) ([]core.Upcoming, error)
	JournalBefore(before string, limit int) (list []core.JournalRow, next string, err error)
	Backup(ctx context.Context, dir string) (core.Backup, error)

	Authorize(secret otn.Secret) (core.Key, error)
	Keys() ([]core.Key, error)
	RevokeKey(ctx context.Context, id string) error
	Record(ctx context.Context, e core.AuditEntry) error
	BeginCall(ctx context.Context, c core.Call) (*core.Begun, *core.CallAnswer, error)
	EndCall(ctx context.Context, b *core.Begun, what, outcome string, a *core.CallAnswer) error
	Audit(q core.AuditQuery) (list []core.AuditEntry, next string, err error)
	PersonName(channel, subscriber string) string
}

var _ Host = (*core.Host)(nil)

// RuleFiles are the rule files that a host's rules were read from.
type RuleFiles interface {
	// Read gives them as they are on disk, in the order of the configuration.
	Read() ([]core.RuleFile, error)
	// Activate writes one of them anew and lets the rules decide that stand in all of them then. was is the text that it was
	// edited from: otn.ErrConflict when it has another one on disk. With any fault the file stays as it was.
	Activate(ctx context.Context, name, was, text string) error
	// Test runs the test files beside one of them, with text in its place. Errors: otn.ErrNotFound where there are none.
	Test(ctx context.Context, name, text string) (Tested, error)
}

// Tested is how tests of rules ended.
type Tested struct {
	Passed, Failed int
	Tests          []Test
}

// Test is one of them; Failure is what it found, as otn test prints it.
type Test struct {
	Name, File string
	Line       int
	Passed     bool
	Failure    string
}

// Plugins are the instances of a daemon, with their supervision.
type Plugins interface {
	// Release lets a plugin start again. Errors: otn.ErrNotFound, otn.ErrRefused, and why a new process could not be had.
	Release(ctx context.Context, instance string) error
	// Validate asks the platform whether the configuration is good, and sends nothing. asked is false where the plugin cannot.
	Validate(ctx context.Context, instance string) (asked bool, wrong []string, err error)
}

// Options are what a console is made with. Whatever is nil has no place on the pages.
type Options struct {
	Version string         // of the program
	Zone    *time.Location // in which times are shown, the host's own; nil: UTC
	Now     func() time.Time
	Log     *slog.Logger
	Author  core.Author // knows the rule language
	Files   RuleFiles   // where the rules come from
	Plugins Plugins     // the host's channels and sources
	TLS     bool        // browsers reach it by https alone: its cookie goes nowhere else then, as where a request's URL has the scheme https
	Backups string      // the folder in which a backup is offered to be made
}

// console holds the handlers.
type console struct {
	Options
	host     Host
	sessions sessions
	people   people
	failed   throttle
	views    map[string]*template.Template
	assets   map[string]asset
}

// New is the console of a host, to be served at / and below. It starts nothing.
func New(h Host, o Options) (http.Handler, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	c := &console{Options: o, host: h, sessions: sessions{now: o.Now}, failed: throttle{now: o.Now}}
	for _, step := range []func() error{c.people.seed, c.readAssets, c.readViews} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	mux := http.NewServeMux()
	c.routes(mux)
	return c.guard(http.NewCrossOriginProtection().Handler(mux)), nil
}

// routes says what is where, and which scope it wants. State is changed by POST alone.
func (c *console) routes(mux *http.ServeMux) {
	mux.HandleFunc("GET /assets/{name...}", c.asset)
	mux.HandleFunc("GET /login", c.loginPage)
	mux.HandleFunc("POST /login", c.login)
	mux.HandleFunc("POST /logout", c.logout)

	page := func(path, view string, build func(*visit) (any, error)) {
		mux.Handle("GET "+path, c.page(core.ScopeRead, view, build))
	}
	act := func(path string, scope core.Scope, name string, do func(*visit) (done, error)) {
		mux.Handle("POST "+path, c.act(scope, name, do))
	}
	page("/{$}", "overview", c.overview)
	page("/runs", "runs", c.runs)
	page("/runs/{id}", "run", c.run)
	act("/runs/{id}/approve", core.ScopeSend, "approve-run", c.approve)
	act("/runs/{id}/pause", core.ScopeSend, "pause-run", c.pause)
	act("/runs/{id}/resume", core.ScopeSend, "resume-run", c.resume)
	act("/runs/{id}/cancel", core.ScopeSend, "cancel-run", c.cancel)
	mux.Handle("GET /send", c.page(core.ScopeSend, "send", c.compose))
	mux.Handle("POST /send/look", c.posted("send", core.ScopeSend, c.lookOver))
	act("/send/now", core.ScopeSend, "send", c.send)
	page("/deliveries", "deliveries", c.deliveries)
	act("/deliveries/resolve", core.ScopeSend, "resolve", c.resolve)
	page("/topics", "topics", c.topics)
	page("/topics/topic", "topic", c.topic)
	page("/people", "people", c.peoplePage)
	act("/people", core.ScopeRead, "", c.find)
	page("/people/person", "person", c.person)
	mux.Handle("POST /people/export", c.export())
	act("/people/tags", core.ScopeSubmit, "tag", c.tag)
	act("/people/withdraw", core.ScopeSubmit, "withdraw", c.withdraw)
	act("/people/erase", core.ScopeAdmin, "erase", c.erase)
	page("/rules", "rules", c.rules)
	page("/rules/rule", "rule", c.rule)
	act("/rules/explain", core.ScopeRead, "", c.chooseForRule)
	act("/rules/rearm", core.ScopeSend, "rearm-rule", c.rearm)
	page("/rules/edit", "edit", c.edit)
	mux.Handle("POST /rules/edit", c.posted("edit", core.ScopeRead, c.check))
	mux.Handle("POST /rules/check", c.posted("edit#faults", core.ScopeRead, c.check))
	mux.Handle("POST /rules/compare", c.posted("compare", core.ScopeRead, c.compare))
	act("/rules/activate", core.ScopeAdmin, "activate-rules", c.activate)
	page("/channels", "channels", c.channels)
	act("/channels/test", core.ScopeAdmin, "test-channel", c.testChannel)
	act("/channels/release", core.ScopeAdmin, "release-plugin", c.release)
	act("/channels/ask", core.ScopeSend, "ask", c.ask)
	act("/channels/poll", core.ScopeSubmit, "poll-source", c.poll)
	page("/calendar", "calendar", c.calendar)
	page("/journal", "journal", c.journal)
	mux.Handle("GET /audit", c.page(core.ScopeAdmin, "audit", c.audit))
	page("/settings", "settings", c.settings)
	act("/settings/revoke", core.ScopeAdmin, "revoke-key", c.revoke)
	act("/settings/backup", core.ScopeAdmin, "backup", c.backup)
	mux.Handle("/", c.page(core.ScopeRead, "missing", nowhere))
}
