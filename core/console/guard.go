// What stands before every page: its headers, its session, its scope; and what becomes of acts and of errors.

package console

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/otn"
)

// policy lets a page load what this server serves, and nothing from elsewhere or of its own.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
	"frame-ancestors 'none'; base-uri 'none'; form-action 'self'"

// How large a form may be: one that holds a rule file, and any other.
const (
	largeForm = 4 << 20
	smallForm = 64 << 10
)

// guard gives every answer its headers and an id, and turns a panic into a page.
func (c *console) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := strings.ToLower(rand.Text()[:16])
		h := w.Header()
		for name, value := range map[string]string{
			"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
			"Cross-Origin-Opener-Policy": "same-origin", "Cache-Control": "no-store", "X-Request-Id": id,
		} {
			h.Set(name, value)
		}
		defer func() {
			if p := recover(); p != nil {
				c.Log.Error("a page of the console panicked", "request_id", id, "path", r.URL.Path, "panic", p, "stack", string(debug.Stack()))
				c.render(w, http.StatusInternalServerError, "trouble", &sheet{Title: "Something is wrong here", Body: trouble{Text: broken, ID: id}})
			}
		}()
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), requestID{}, id)))
	})
}

// requestID is the key of a request's id in its context.
type requestID struct{}

// visit is one request of somebody who is logged in.
type visit struct {
	*http.Request
	key     core.Key
	session *session
}

// arg is a parameter of the address, or of the form.
func (v *visit) arg(name string) string { return strings.TrimSpace(v.FormValue(name)) }

// live reports a page's own request for a part of itself.
func live(r *http.Request) bool { return r.Header.Get("HX-Request") == "true" }

// visitor finds who is logged in.
func (c *console) visitor(r *http.Request) (*visit, bool) {
	session, ok := c.sessions.resume(c.cookie(r), live(r))
	if !ok {
		return nil, false
	}
	key, err := c.host.Authorize(session.secret)
	if err != nil {
		c.sessions.end(c.cookie(r))
		return nil, false
	}
	return &visit{Request: r, key: key, session: session}, true
}

// inside lets in who is logged in with the scope; others are asked for a key, or told that theirs may not.
func (c *console) inside(scope core.Scope, size int64, do func(http.ResponseWriter, *visit)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, size)
		v, ok := c.visitor(r)
		switch {
		case !ok && live(r):
			w.Header().Set("HX-Redirect", "/login")
			w.WriteHeader(http.StatusUnauthorized)
		case !ok && r.Method != http.MethodGet:
			http.Redirect(w, r, "/login", http.StatusSeeOther)
		case !ok:
			http.Redirect(w, r, "/login?to="+url.QueryEscape(r.URL.RequestURI()), http.StatusSeeOther)
		case !v.key.May(scope):
			c.record(r, v.key, "console", r.Method+" "+r.URL.Path, core.Forbidden)
			c.fail(w, v, errScope)
		default:
			if err := r.ParseForm(); err != nil {
				c.fail(w, v, errors.Join(err, otn.ErrInvalid))
				return
			}
			do(w, v)
		}
	})
}

// page is a page that shows something. With ?part=NAME it is that part of the view alone, for a page that refreshes itself.
func (c *console) page(scope core.Scope, view string, build func(*visit) (any, error)) http.Handler {
	return c.inside(scope, smallForm, func(w http.ResponseWriter, v *visit) {
		body, err := build(v)
		if err != nil {
			c.fail(w, v, err)
			return
		}
		part := ""
		if live(v.Request) {
			part = v.URL.Query().Get("part")
		}
		c.show(w, v, view, part, body)
	})
}

// posted is a page that shows what a form leads to, and changes nothing. view may name a part: "view#part".
func (c *console) posted(view string, scope core.Scope, build func(*visit) (any, error)) http.Handler {
	view, part, _ := strings.Cut(view, "#")
	return c.inside(scope, largeForm, func(w http.ResponseWriter, v *visit) {
		body, err := build(v)
		if err != nil {
			c.fail(w, v, err)
			return
		}
		c.show(w, v, view, part, body)
	})
}

// done is what an act came to: where to go, what to say there, and what it was done to, for the record.
type done struct{ to, said, what string }

// act does something and goes on to a page that tells what became of it. It is recorded under its name, that of the same call
// of the operator's door; one without a name changes nothing.
func (c *console) act(scope core.Scope, name string, do func(*visit) (done, error)) http.Handler {
	size := int64(smallForm)
	if scope == core.ScopeAdmin {
		size = largeForm
	}
	if name != "" {
		do = c.recorded(name, do)
	}
	return c.inside(scope, size, func(w http.ResponseWriter, v *visit) {
		d, err := do(v)
		if err != nil {
			c.tell(v, notice{"bad", c.words(v.Request, err).Text})
			http.Redirect(w, v.Request, local(v.arg("back")), http.StatusSeeOther) //nolint:gosec // local is a path of this console
			return
		}
		if d.said != "" {
			c.tell(v, notice{"ok", d.said})
		}
		http.Redirect(w, v.Request, local(d.to), http.StatusSeeOther)
	})
}

func (c *console) tell(v *visit, n notice) { c.sessions.say(v.session, n) }

// recorded is an act with its entry in the audit log: its beginning is on disk before it does anything, so that one in whose
// middle the process dies is on record as one that nobody knows the end of. An act whose beginning cannot be recorded is not
// done; one whose end cannot is done, and says so.
func (c *console) recorded(name string, do func(*visit) (done, error)) func(*visit) (done, error) {
	return func(v *visit) (d done, err error) {
		begun, err := c.begin(v.Request, v.key, name)
		if err != nil {
			return done{}, err
		}
		outcome := "internal" // a panic's, which guard answers
		defer func() { err = errors.Join(err, c.end(v.Request, begun, d.what, outcome)) }()
		d, err = do(v)
		outcome = c.outcome(v.Request, err)
		return d, err
	}
}

func (c *console) begin(r *http.Request, key core.Key, act string) (*core.Begun, error) {
	begun, _, err := c.host.BeginCall(r.Context(), core.Call{Entry: c.entry(r, key, act)})
	return begun, err
}

func (c *console) end(r *http.Request, begun *core.Begun, what, outcome string) error {
	if err := c.host.EndCall(r.Context(), begun, what, outcome, nil); err != nil {
		c.Log.Error("the end of an act at the console was not recorded", "path", r.URL.Path, "what", what, "outcome", outcome, "error", err)
		return fmt.Errorf("the audit log could not be written, and this ended as %q: %w", outcome, err)
	}
	return nil
}

// record writes down what was refused, or only read.
func (c *console) record(r *http.Request, key core.Key, act, what, outcome string) {
	a := c.entry(r, key, act)
	a.What, a.Outcome = what, outcome
	if err := c.host.Record(context.WithoutCancel(r.Context()), a); err != nil {
		c.Log.Error("an act at the console was not recorded", "act", act, "key", key.ID, "request_id", a.Request, "error", err)
	}
}

// outcome is done, or the code of the problem.
func (c *console) outcome(r *http.Request, err error) string {
	if err == nil {
		return "done"
	}
	return c.words(r, err).code
}

func (c *console) entry(r *http.Request, key core.Key, act string) core.AuditEntry {
	id, _ := r.Context().Value(requestID{}).(string)
	return core.AuditEntry{Key: key.ID, From: address(r), Act: act, Request: id}
}

// trouble is a page that says what went wrong.
type trouble struct{ Text, ID string }

const broken = "This is a fault of otn itself. It is in the log under the number below."

var errScope = errors.New("your key may not do this")

// fail shows an error as a page.
func (c *console) fail(w http.ResponseWriter, v *visit, err error) {
	t := c.words(v.Request, err)
	s := c.sheet(v)
	s.Title, s.Body = t.title, trouble{t.Text, t.ID}
	c.render(w, t.status, "trouble", s)
}

// worded is an error as an operator reads it.
type worded struct {
	trouble
	title  string
	status int
	code   string // that of the same problem at the operator's door
}

// words says what an error means. What is in no table is logged under the request's id, and not told.
func (c *console) words(r *http.Request, err error) worded {
	var big *http.MaxBytesError
	id, _ := r.Context().Value(requestID{}).(string)
	for _, known := range []struct {
		is     bool
		title  string
		status int
		code   string
	}{
		{errors.Is(err, errScope), "Not with this key", http.StatusForbidden, "forbidden"},
		{errors.As(err, &big), "Too large", http.StatusRequestEntityTooLarge, "too_large"},
		{errors.Is(err, otn.ErrNotFound), "Not found", http.StatusNotFound, "not_found"},
		{errors.Is(err, otn.ErrUnknownTopic), "Not found", http.StatusNotFound, "not_found"},
		{errors.Is(err, otn.ErrInvalid), "Not valid", http.StatusUnprocessableEntity, "invalid"},
		{errors.Is(err, otn.ErrConflict), "Changed meanwhile", http.StatusConflict, "conflict"},
		{isAny(err, otn.ErrRefused, otn.ErrSpent, otn.ErrRepeat, otn.ErrExpired, otn.ErrOutsideWindow, otn.ErrAlreadyAsked, otn.ErrAlreadyGiven), "Refused", http.StatusConflict, "refused"},
		{isAny(err, otn.ErrUnavailable, otn.ErrStore, context.Canceled, context.DeadlineExceeded), "Not available now", http.StatusServiceUnavailable, "unavailable"},
		{isSend(err), "The platform did not take it", http.StatusBadGateway, "platform"},
	} {
		if known.is {
			return worded{trouble{plain(err), id}, known.title, known.status, known.code}
		}
	}
	c.Log.Error("a page of the console ended in an error", "request_id", id, "path", r.URL.Path, "error", err)
	return worded{trouble{broken, id}, "Something is wrong here", http.StatusInternalServerError, "internal"}
}

func isAny(err error, list ...error) bool {
	for _, e := range list {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func isSend(err error) bool {
	var se *otn.SendError
	return errors.As(err, &se)
}

// plain is an error without the name of the room that it comes from.
func plain(err error) string {
	text := err.Error()
	for _, room := range []string{"core: ", "api: ", "dispatch: ", "ledger: "} {
		text = strings.TrimPrefix(text, room)
	}
	return capital(text) + "."
}

// nowhere is a page that is not there.
func nowhere(*visit) (any, error) { return nil, otn.ErrNotFound }
