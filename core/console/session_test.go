// Who is let in, and for how long.

package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core/console"
)

// Whoever has no session is asked for a key, and nothing is shown or done for them.
func TestNobodyComesInWithoutAKey(t *testing.T) {
	f := newFake()
	p := open(t, f).login("all").person()
	f.read, f.done = nil, nil
	b := open(t, f)
	for _, path := range pages(p) {
		if status, text, h := b.do("GET", path, nil); status != http.StatusSeeOther || h.Get("Location") != "/login?to="+url.QueryEscape(path) {
			t.Errorf("GET %s: HTTP %d to %q\n%s", path, status, h.Get("Location"), text)
		}
		if status, _, h := b.do("GET", path, nil, "HX-Request", "true"); status != http.StatusUnauthorized || h.Get("HX-Redirect") != "/login" {
			t.Errorf("GET %s as a part: HTTP %d %v", path, status, h)
		}
	}
	for _, a := range acts(p) {
		if status, _, h := b.do("POST", a.path, a.form); status != http.StatusSeeOther || h.Get("Location") != "/login" {
			t.Errorf("POST %s: HTTP %d to %q", a.path, status, h.Get("Location"))
		}
	}
	for _, path := range []string{"/people/export", "/rules/check", "/rules/compare", "/rules/edit", "/people", "/rules/explain", "/send/look"} {
		if status, text, _ := b.do("POST", path, form("p", p)); status != http.StatusSeeOther {
			t.Errorf("POST %s: HTTP %d\n%s", path, status, text)
		}
	}
	if len(f.read)+len(f.done) > 0 {
		t.Errorf("the host was asked for %v and %v", f.read, f.done)
	}
}

// A session ends after its idle time, after its whole time, at the end of its key, and when somebody logs out or in anew.
func TestSessionsEnd(t *testing.T) {
	alive := func(b *browser) bool { status, _, _ := b.do("GET", "/runs", nil); return status == http.StatusOK }
	b := open(t, newFake()).login("all")
	*b.now = b.now.Add(29 * time.Minute)
	if !alive(b) {
		t.Fatal("it ended before its idle time")
	}
	for range 3 { // a page that refreshes itself is nobody's sign of life
		*b.now = b.now.Add(10 * time.Minute)
		b.do("GET", "/?part=live", nil, "HX-Request", "true")
	}
	if alive(b) {
		t.Error("it is alive after its idle time")
	}
	b.login("all")
	for range 11*6 + 5 {
		*b.now = b.now.Add(10 * time.Minute)
		if !alive(b) {
			t.Fatal("it ended before its time")
		}
	}
	*b.now = b.now.Add(11 * time.Minute)
	if alive(b) {
		t.Error("it is alive after twelve hours")
	}

	b.login("all")
	old := b.cookies
	b.login("all")
	if old[0].Value == b.cookies[0].Value || len(b.cookies[0].Value) < 50 {
		t.Errorf("cookies %q and %q", old[0].Value, b.cookies[0].Value)
	}
	fresh := b.cookies
	if b.cookies = old; alive(b) {
		t.Error("the session before a login is alive")
	}
	b.cookies = fresh
	b.do("POST", "/logout", nil)
	if b.cookies = fresh; alive(b) {
		t.Error("it is alive after a logout")
	}
	b.login("read")
	delete(b.f.keys, "read")
	if alive(b) {
		t.Error("it outlives its key")
	}
}

// The cookie is read by no script, sent by no other site, and bound to https where there is any.
func TestCookie(t *testing.T) {
	b := open(t, newFake()).login("all")
	if c := b.cookies[0]; c.Name != "otn" || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Secure || c.Domain != "" {
		t.Errorf("%+v", c)
	}
	behind := open(t, newFake())
	behind.scheme = "https"
	for _, b := range []*browser{open(t, newFake(), func(o *console.Options) { o.TLS = true }), behind} {
		b.login("all")
		if c := b.cookies[0]; c.Name != "__Host-otn" || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || !c.Secure || c.Domain != "" {
			t.Errorf("%+v", c)
		}
		b.get("/runs")
	}
}

// A wrong key, one that may not read, and whoever tries too many get nothing; where a login leads is a page of this console.
func TestLogin(t *testing.T) {
	b := open(t, newFake())
	for _, key := range []string{"", "x", "secret-", "secret-nobody", "secret-send"} {
		status, text, h := b.do("POST", "/login", form("key", key))
		if status != http.StatusUnauthorized || h.Get("Set-Cookie") != "" || !strings.Contains(text, "no key that may read") {
			t.Errorf("%q: HTTP %d %q", key, status, h.Get("Set-Cookie"))
		}
	}
	for range 5 {
		b.do("POST", "/login", form("key", "wrong"))
	}
	if status, _, h := b.do("POST", "/login", form("key", "secret-all")); status != http.StatusTooManyRequests || h.Get("Retry-After") == "" || h.Get("Set-Cookie") != "" {
		t.Errorf("the eleventh: HTTP %d", status)
	}
	*b.now = b.now.Add(time.Minute)
	for to, want := range map[string]string{
		"/runs?state=done": "/runs?state=done", "": "/", "//evil.example": "/", "///evil.example": "/", "////evil.example": "/", "https://evil.example/": "/", `/\evil.example`: "/", "/a\r\nSet-Cookie: x": "/", "javascript:alert(1)": "/", "/\t/evil.example": "/",
	} {
		status, _, h := b.do("POST", "/login", form("key", "secret-all", "to", to))
		if status != http.StatusSeeOther || h.Get("Location") != want {
			t.Errorf("to %q: HTTP %d %q", to, status, h.Get("Location"))
		}
	}
	if status, _, h := b.do("GET", "/login?to=//evil.example", nil); status != http.StatusSeeOther || h.Get("Location") != "/" {
		t.Errorf("whoever is logged in is led to %q", h.Get("Location"))
	}
}
