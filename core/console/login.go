// Logging in and out.

package console

import (
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/otn"
)

// loginView is the page that asks for a key.
type loginView struct {
	To    string
	Wrong string
}

func (c *console) loginPage(w http.ResponseWriter, r *http.Request) {
	to := local(r.URL.Query().Get("to"))
	if _, ok := c.visitor(r); ok {
		http.Redirect(w, r, to, http.StatusSeeOther) //nolint:gosec // local is a path of this console
		return
	}
	c.render(w, http.StatusOK, "login", &sheet{Title: "Log in", Body: loginView{To: to}})
}

// login begins a session for a key that is good; the one before it, if there is one, ends.
func (c *console) login(w http.ResponseWriter, r *http.Request) {
	from := address(r)
	wrong := func(status int, text string) {
		c.render(w, status, "login", &sheet{Title: "Log in", Body: loginView{To: local(r.PostFormValue("to")), Wrong: text}})
	}
	if c.failed.full(from) {
		w.Header().Set("Retry-After", "60")
		wrong(http.StatusTooManyRequests, "Too many wrong keys from here. Wait a minute.")
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, smallForm)
	secret := otn.NewSecret(strings.TrimSpace(r.PostFormValue("key")))
	key, err := c.host.Authorize(secret)
	if err != nil || !key.May(core.ScopeRead) {
		c.failed.add(from)
		wrong(http.StatusUnauthorized, "This is no key that may read here.")
		return
	}
	c.sessions.end(c.cookie(r))
	c.setCookie(w, r, c.sessions.begin(secret))
	c.record(r, key, "login", "", "done")
	http.Redirect(w, r, local(r.PostFormValue("to")), http.StatusSeeOther) //nolint:gosec // local is a path of this console
}

func (c *console) logout(w http.ResponseWriter, r *http.Request) {
	c.sessions.end(c.cookie(r))
	c.setCookie(w, r, "")
	http.Redirect(w, r, "/login", http.StatusSeeOther)
}

// local is a path of this console; anything else is its first page.
func local(to string) string {
	u, err := url.Parse(to)
	if err != nil || u.IsAbs() || u.Host != "" || u.User != nil || !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.ContainsAny(to, "\\\r\n\t") {
		return "/"
	}
	return u.String()
}

// address is where a request comes from, without its port.
func address(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
