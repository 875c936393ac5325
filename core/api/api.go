// The operator's door: the calls under /v1, their key, their limits and their OpenAPI document.

// Package api serves a Host to operators and their programs: JSON over HTTP, described by /openapi.json.
// Every call under /v1 wants Authorization: Bearer KEY. Problems are RFC 9457 with a stable code.
package api

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/otn"
)

// maxBody is the largest body that a call may have: 1 MiB.
const maxBody = 1 << 20

// Host is what the door opens to. *core.Host is one.
type Host interface {
	Grant(ctx context.Context, consents ...otn.Consent) ([]core.Granted, error)
	Observe(ctx context.Context, obs ...otn.Observation) (core.Observed, error)
	Trigger(ctx context.Context, t otn.Trigger) (core.Accepted, error)
	Ask(ctx context.Context, r core.AskRequest) (otn.Receipt, error)
	Link(ctx context.Context, r core.LinkRequest) (core.LinkView, error)
	Send(ctx context.Context, r core.SendRequest) (core.SendAnswer, error)
	Topics() ([]core.TopicView, error)
	Days(from, to time.Time) ([]core.Day, error)
	Zone() *time.Location
	Consents(q core.ConsentQuery) (list []core.ConsentView, next string, err error)
	Consent(id string) (core.ConsentView, error)
	Runs(q core.RunQuery) (list []core.RunView, next string, err error)
	RunByID(id string) (core.RunView, error)
	ApproveRun(ctx context.Context, id string) (core.RunView, error)
	PauseRun(ctx context.Context, id string) (core.RunView, error)
	ResumeRun(ctx context.Context, id string) (core.RunView, error)
	PollNow(ctx context.Context, source string, accept bool) (core.PollView, error)
	CancelRun(ctx context.Context, id string) (core.RunView, error)
	ListRules() (core.RulesView, error)
	RearmRule(ctx context.Context, rule, subject string) (int, error)
	Deliveries(q core.DeliveryQuery) (list []core.DeliveryView, next string, err error)
	Resolve(ctx context.Context, id string, sent bool) (core.DeliveryView, error)
	Why(channel, subscriber, rule string) (core.Why, error)
	Backup(ctx context.Context, dir string) (core.Backup, error)
	Subscriber(channel, subscriber string) (core.SubscriberView, error)
	Tag(ctx context.Context, channel, subscriber string, c core.TagChange) ([]string, error)
	Look(ctx context.Context, q core.LookRequest) (core.Look, error)
	GrantEach(ctx context.Context, dry bool, consents ...otn.Consent) ([]core.GrantedEach, error)
	Export(ctx context.Context, cursor string, limit int) (list []otn.Consent, next string, err error)
	Erase(ctx context.Context, channel, subscriber string) (core.Erased, error)
	Withdraw(ctx context.Context, id string) (core.ConsentView, error)
	Replay(ctx context.Context, q core.ReplayRequest) (core.Replay, error)
	Diff(ctx context.Context, q core.DiffRequest) (core.Diff, error)
	Instances(ctx context.Context) (channels, sources []core.InstanceView)
	DeliveryByID(id string) (core.DeliveryView, error)
	Events(after uint64, limit int) ([]core.EventView, error)
	Newest() (uint64, error)
	Sends() ([]core.SendView, error)
	Scheduled(id string) (core.SendView, error)
	EditSend(ctx context.Context, id string, c core.SendChange) (core.SendView, error)
	CancelSend(ctx context.Context, id string) (core.RunView, error)

	Authorize(secret otn.Secret) (core.Key, error)
	Keys() ([]core.Key, error)
	CreateKey(ctx context.Context, r core.KeyRequest) (core.Key, otn.Secret, error)
	RevokeKey(ctx context.Context, id string) error
	Record(ctx context.Context, e core.AuditEntry) error
	Audit(q core.AuditQuery) (list []core.AuditEntry, next string, err error)
	VerifyAudit(ctx context.Context, anchor uint64, hash string) (core.AuditReport, error)
	PersonName(channel, subscriber string) string
	BeginCall(ctx context.Context, c core.Call) (*core.Begun, *core.CallAnswer, error)
	EndCall(ctx context.Context, b *core.Begun, what, outcome string, a *core.CallAnswer) error
}

var _ Host = (*core.Host)(nil)

// Options are what a door is made with.
type Options struct {
	Version string // of the program, for the document
	Log     *slog.Logger

	// Reload reads the rules from where they come and lets them decide, all of them or, with a Faulty, none.
	// nil: this door does not know where they come from, and refuses.
	Reload  func(ctx context.Context) error
	Author  Author  // knows the rule language; nil: the calls about it answer 501
	Plugins Plugins // nil: the host's channels are no plugins

	// Stopping ends the streams of events, so that a server can shut down. nil: nothing does but their callers.
	Stopping <-chan struct{}
}

// New is the door to a host: /v1, for who has a key of the host, and /openapi.json, which needs none.
func New(h Host, o Options) http.Handler {
	mux := http.NewServeMux()
	d := &door{host: h, log: o.Log, reload: o.Reload, author: o.Author, plugins: o.Plugins, stopping: o.Stopping}
	d.serve(mux, o.Version)
	return d.guard(mux)
}

// Document is the OpenAPI 3.1 document of the door as JSON.
func Document(version string) ([]byte, error) {
	return (&door{}).serve(http.NewServeMux(), version).OpenAPI().MarshalJSON()
}

// door holds the handlers.
type door struct {
	host    Host
	log     *slog.Logger
	reload  func(context.Context) error
	author  Author
	plugins Plugins

	strangers strangers
	stopping  <-chan struct{}
	streams   atomic.Int64 // of events, that are open
}

// serve registers every call, with problems described as they are.
func (d *door) serve(mux *http.ServeMux, version string) huma.API {
	a := humago.New(mux, document(version))
	a.UseMiddleware(d.permit, d.once)
	d.calls(a)
	describeProblems(a.OpenAPI())
	noNulls(a.OpenAPI())
	return a
}

func document(version string) huma.Config {
	c := huma.DefaultConfig("otn", version)
	c.Info.Description = "One-time tokens, each spent for exactly one message. 202 means: it is on disk."
	c.Info.License = &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"}
	c.Servers = []*huma.Server{{URL: "/", Description: "The operator's door, listen.admin of the configuration"}}
	c.DocsPath, c.SchemasPath, c.CreateHooks = "", "", nil // bodies are exactly what is written here, and nothing is fetched from elsewhere
	c.RejectUnknownQueryParameters = true
	c.Transformers = []huma.Transformer{asProblem}
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"key": {Type: "http", Scheme: "bearer"}}
	c.Security = []map[string][]string{{"key": {}}}
	return c
}

// guard lets good keys in, gives every answer an id, and turns a panic into a 500.
func (d *door) guard(next http.Handler) http.Handler {
	sameSite := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := strings.ToLower(rand.Text()[:16])
		h := w.Header()
		h.Set("X-Request-Id", id)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		defer func() {
			if p := recover(); p != nil {
				d.log.Error("a call of the admin door panicked", "request_id", id, "path", noun(r.URL.Path), "panic", p, "stack", string(debug.Stack()))
				Problem{Status: http.StatusInternalServerError, Code: "internal", Title: "Internal Server Error", RequestID: id}.write(w)
			}
		}()
		if err := sameSite.Check(r); err != nil {
			Problem{Status: http.StatusForbidden, Code: "cross_site", Title: "Forbidden", RequestID: id}.write(w)
			return
		}
		c := &caller{from: addressOf(r), request: id, secret: otn.NewSecret(bearer(r))}
		if !strings.HasPrefix(r.URL.Path, "/openapi") {
			var ok bool
			if c.key, ok = d.admit(w, r, c.secret); !ok {
				return
			}
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		ctx := context.WithValue(context.WithValue(r.Context(), requestID{}, id), callerKey{}, c)
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// noun is the beginning of a call's path. What is behind it may name a person, and is in no log.
func noun(path string) string {
	parts := strings.SplitN(path, "/", 4)
	return strings.Join(parts[:min(3, len(parts))], "/")
}

// requestID is the key of a request's id in its context.
type requestID struct{}
