// The console from outside: who comes in, what each key may do, and what no page may hold.

package console_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/console"
	"github.com/onetimenotify/otn/core/otn"
)

// pages are all pages that show something.
func pages(p string) []string {
	return []string{
		"/", "/?part=live", "/runs", "/runs?state=paused&rule=x", "/runs/r1", "/deliveries", "/deliveries?outcome=unknown", "/topics", "/topics/topic?id=price-drop",
		"/topics/topic?id=price-drop&subject=s&state=waiting", "/people", "/people/person?p=" + p, "/rules", "/rules/rule?id=price-drop", "/rules/rule?id=hostile&p=" + p,
		"/rules/edit?file=" + ruleFile, "/channels", "/calendar", "/journal", "/journal?before=9", "/settings", "/rules/rule?id=price-drop&subject=none&p=" + p,
	}
}

// acts are all forms that do something, with the scope that each wants and what the host is asked for.
func acts(p string) []struct {
	path  string
	form  url.Values
	scope core.Scope
	does  string
} {
	return []struct {
		path  string
		form  url.Values
		scope core.Scope
		does  string
	}{
		{"/runs/r1/approve", nil, core.ScopeSend, "approve r1"},
		{"/runs/r1/pause", nil, core.ScopeSend, "pause r1"},
		{"/runs/r1/resume", nil, core.ScopeSend, "resume r1"},
		{"/runs/r1/cancel", nil, core.ScopeSend, "cancel r1"},
		{"/deliveries/resolve", form("id", "d1", "as", "lost"), core.ScopeSend, "resolve d1 false"},
		{"/deliveries/resolve", form("count", "2", "as", "sent"), core.ScopeSend, "resolve d0 true; resolve d1 true"},
		{"/send/now", form("topic", "price-drop", "subject", "SKU-1", "text", "hello", "key", "k", "reaches", "214", "count", "214"), core.ScopeSend, `send price-drop SKU-1 false "hello" k 0001-01-01 00:00:00 +0000 UTC`},
		{"/people/tags", form("p", p, "tags", "vip, new"), core.ScopeSubmit, `tag shop ` + recipient + ` ["vip" "new"]`},
		{"/people/withdraw", form("consent", "c1"), core.ScopeSubmit, "withdraw c1"},
		{"/people/erase", form("p", p, "count", "1"), core.ScopeAdmin, "erase shop " + recipient},
		{"/rules/rearm", form("id", "price-drop", "subject", "SKU-1"), core.ScopeSend, "rearm price-drop SKU-1"},
		{"/rules/activate", form("file", ruleFile, "was", hash("version: 1\nrules: []\n"), "text", "version: 1\n"), core.ScopeAdmin, "activate " + ruleFile},
		{"/channels/test", form("name", "shop"), core.ScopeAdmin, "validate shop"},
		{"/channels/release", form("name", "shop"), core.ScopeAdmin, "release shop"},
		{"/channels/ask", form("channel", "shop", "person", "me", "topic", "price-drop", "subject", "SKU-1"), core.ScopeSend, "ask shop me price-drop SKU-1"},
		{"/channels/poll", form("name", "feed", "accept", "yes"), core.ScopeSubmit, "poll feed true"},
		{"/settings/revoke", form("id", "k1"), core.ScopeAdmin, "revoke k1"},
		{"/settings/backup", form("dir", "/var/backups/x"), core.ScopeAdmin, "backup /var/backups/x"},
	}
}

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

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

// Every act wants its scope and does what it says; a key without it is refused, sees no button for it, and it is recorded.
func TestScopes(t *testing.T) {
	for _, scope := range []core.Scope{core.ScopeSubmit, core.ScopeSend, core.ScopeAdmin, "all"} {
		f := newFake()
		name := "all"
		if scope != "all" {
			name = "read+" + string(scope)
		}
		b := open(t, f).login(name)
		for _, a := range acts(b.person()) {
			f.done, f.acts, b.disk.text = nil, nil, "version: 1\nrules: []\n"
			status, text, _ := b.do("POST", a.path, a.form)
			if scope != "all" && scope != core.ScopeAdmin && a.scope != scope {
				if status != http.StatusForbidden || len(f.done) > 0 || len(f.acts) != 1 || f.acts[0].Outcome != "forbidden" {
					t.Errorf("%s with %s: HTTP %d, did %v, recorded %+v", a.path, name, status, f.done, f.acts)
				}
				continue
			}
			if got := strings.Join(f.done, "; "); status != http.StatusSeeOther || got != a.does {
				t.Errorf("%s with %s: HTTP %d, did %q, want %q\n%s", a.path, name, status, got, a.does, text)
			}
			if len(f.acts) != 1 || f.acts[0].Outcome != "done" || f.acts[0].Key != name || f.acts[0].Request == "" || f.acts[0].What == "" {
				t.Errorf("%s is recorded as %+v", a.path, f.acts)
			}
			if strings.Contains(fmt.Sprint(f.acts), recipient) {
				t.Errorf("%s names the person in the record: %+v", a.path, f.acts)
			}
		}
	}
}

// A key that may read sees every page and no form that does something.
func TestReadKeySeesNoActs(t *testing.T) {
	b := open(t, newFake()).login("read")
	b.f.state = "paused"
	p := b.person()
	full := open(t, b.f).login("all")
	shown := 0
	for _, path := range pages(p) {
		for _, a := range acts(p) {
			action := `action="` + a.path + `"`
			if text := b.get(path); strings.Contains(text, action) {
				t.Errorf("%s shows a form for %s", path, a.path)
			}
			if strings.Contains(full.get(strings.Replace(path, p, full.person(), 1)), action) {
				shown++
			}
		}
	}
	if shown < 12 {
		t.Errorf("the all-scope key sees %d forms", shown)
	}
}

// Text from outside is text wherever it stands: no page of any kind has markup, script or a link of its making.
func TestHostileText(t *testing.T) {
	for _, hostile := range []string{
		`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `' onmouseover='alert(1)`, `javascript:alert(1)`, `</textarea><script>alert(1)</script>`,
		`</pre><svg onload=alert(1)>`, `{{.}}${7*7}`, "`;alert(1)//", `]]><!--`, "\u202e\x00<b>",
	} {
		f := newFake()
		f.text = hostile
		f.keys["all"] = core.Key{ID: hostile, Name: hostile, Scopes: f.keys["all"].Scopes}
		b := open(t, f).login("all")
		b.disk.text = hostile + "\n"
		p := b.person()
		for _, path := range append(pages(p), "/audit", "/send?topic="+url.QueryEscape(hostile), "/topics/topic?id="+url.QueryEscape(hostile), "/runs/"+url.PathEscape(hostile), "/nope/"+url.PathEscape(hostile), "/runs?state="+url.QueryEscape(hostile)+"&rule="+url.QueryEscape(hostile)) {
			_, text, _ := b.do("GET", path, nil)
			harmless(t, hostile, path, text)
		}
		for _, path := range []string{"/rules/check", "/rules/edit", "/rules/compare", "/send/look", "/send/look?again=yes"} {
			_, text, _ := b.do("POST", path, form("file", ruleFile, "was", hostile, "text", hostile+"\nmore", "tests", "yes", "back", hostile, "topic", hostile, "subject", hostile, "where", hostile, "quick", hostile))
			harmless(t, hostile, path, text)
		}
		for _, a := range acts(p) {
			a.form = form("name", hostile, "consent", hostile, "id", hostile, "as", hostile, "p", p, "count", hostile, "tags", hostile, "dir", hostile, "back", "/settings")
			_, _, h := b.do("POST", a.path, a.form)
			if to := h.Get("Location"); to != "" {
				_, text, _ := b.do("GET", to, nil)
				harmless(t, hostile, a.path, text)
			}
		}
	}
}

// harmless looks at every element of a page.
func harmless(t *testing.T, hostile, path, page string) {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	allowed := strings.Fields("html head body meta title link script a header div span input label nav ul ol li h1 h2 h3 form button main p strong b em small code pre kbd time section table thead tbody tr th td dl dt dd details summary select option textarea svg rect hr figure")
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		if !slices.Contains(allowed, n.Data) {
			t.Errorf("%q at %s: an element %s", hostile, path, n.Data)
		}
		for _, a := range n.Attr {
			switch {
			case strings.HasPrefix(a.Key, "on"), a.Key == "style", a.Key == "srcdoc":
				t.Errorf("%q at %s: %s=%q", hostile, path, a.Key, a.Val)
			case slices.Contains([]string{"href", "src", "action", "formaction", "hx-get", "hx-post"}, a.Key):
				if !strings.HasPrefix(a.Val, "/") && !strings.HasPrefix(a.Val, "#") || strings.HasPrefix(a.Val, "//") {
					t.Errorf("%q at %s: a link to %q", hostile, path, a.Val)
				}
			}
		}
		if n.Data == "script" && (n.FirstChild != nil || !strings.HasPrefix(attr(n, "src"), "/assets/")) {
			t.Errorf("%q at %s: a script", hostile, path)
		}
	}
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

// A whole recipient id and the secret of a key reach no page, no link and no record; the file of a person's own data has it.
func TestNoWholeIDs(t *testing.T) {
	b := open(t, newFake()).login("all")
	p := b.person()
	for _, path := range pages(p) {
		for _, secret := range []string{recipient, url.QueryEscape(recipient), "secret-all"} {
			if strings.Contains(b.get(path), secret) {
				t.Errorf("%s holds %s", path, secret)
			}
		}
	}
	if text := b.get("/people/person?p=" + p); !strings.Contains(text, "reci…0013") {
		t.Error("the person is not named in part")
	}
	status, text, h := b.do("POST", "/people/export", form("p", p))
	if status != http.StatusOK || !strings.Contains(text, recipient) || !strings.HasPrefix(h.Get("Content-Disposition"), "attachment") {
		t.Errorf("export: HTTP %d %v\n%s", status, h, text)
	}
	// What is said of somebody who is not there names them in part as well, and so does what cannot be explained.
	if text := b.post("/people", "channel", "shop", "id", recipient+"-of-nobody", "back", "/people"); strings.Contains(text, recipient) || !strings.Contains(text, "Nothing is known of reci…") {
		t.Errorf("nobody:\n%s", text)
	}
	b.login("read+send")
	if status, text, _ := b.do("GET", "/audit", nil); status != http.StatusForbidden {
		t.Errorf("the audit log without the scope: HTTP %d\n%s", status, text)
	}
	if strings.Contains(b.get("/settings"), "otn keys create") {
		t.Error("the keys are shown without the scope")
	}
	if status, text, _ := b.do("POST", "/people/export", form("p", p)); status != http.StatusForbidden || strings.Contains(text, recipient) {
		t.Errorf("export without the scope: HTTP %d", status)
	}
	if strings.Contains(fmt.Sprint(b.f.acts), recipient) {
		t.Errorf("recorded: %+v", b.f.acts)
	}
}

// A sealed name opens at the console that made it alone, and one that was changed opens nowhere.
func TestSealedNames(t *testing.T) {
	b := open(t, newFake()).login("all")
	p := b.person()
	if p != b.person() {
		t.Error("the same person has two names: a page that refreshes itself would change each time")
	}
	other := open(t, newFake()).login("all")
	for _, name := range []string{"", "x", "%%%", p[:len(p)-2] + "AA", strings.Repeat("A", 64)} {
		if status, _, _ := b.do("GET", "/people/person?p="+url.QueryEscape(name), nil); status != http.StatusNotFound {
			t.Errorf("%q: HTTP %d", name, status)
		}
	}
	if status, _, _ := other.do("GET", "/people/person?p="+p, nil); status != http.StatusNotFound {
		t.Errorf("at another console: HTTP %d", status)
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

// A form of another site does nothing, with or without the browser's own word for it.
func TestCrossSite(t *testing.T) {
	b := open(t, newFake()).login("all")
	p := b.person()
	for _, headers := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}} {
		for _, a := range acts(p) {
			if status, _, _ := b.do("POST", a.path, a.form, headers...); status != http.StatusForbidden || len(b.f.done) > 0 {
				t.Fatalf("%s with %v: HTTP %d, did %v", a.path, headers, status, b.f.done)
			}
		}
		if status, _, _ := b.do("POST", "/login", form("key", "secret-all"), headers...); status != http.StatusForbidden {
			t.Errorf("login with %v: HTTP %d", headers, status)
		}
	}
	for _, a := range acts(p) { // state is never changed by GET
		if status, _, _ := b.do("GET", a.path+"?"+a.form.Encode(), nil); status != http.StatusNotFound || len(b.f.done) > 0 {
			t.Errorf("GET %s: HTTP %d, did %v", a.path, status, b.f.done)
		}
	}
}

// Every answer has the headers that keep a browser from what is not this console's.
func TestHeaders(t *testing.T) {
	b := open(t, newFake()).login("all")
	for _, path := range append(pages(b.person()), "/nope", "/login", "/assets/console.css", "/assets/nope") {
		_, _, h := b.do("GET", path, nil)
		want := "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
		if h.Get("Content-Security-Policy") != want || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != "no-referrer" ||
			h.Get("Cross-Origin-Opener-Policy") != "same-origin" || h.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %v", path, h)
		}
	}
	page := b.get("/")
	for _, name := range []string{"console.css", "console.js", "vendor/htmx-2.0.11.min.js"} {
		_, rest, ok := strings.Cut(page, `"/assets/`+name)
		version, _, _ := strings.Cut(rest, `"`)
		status, text, h := b.do("GET", "/assets/"+name+version, nil)
		if !ok || status != http.StatusOK || len(text) == 0 || !strings.Contains(h.Get("Cache-Control"), "immutable") {
			t.Errorf("%s: HTTP %d %v", name, status, h)
		}
	}
	for _, setting := range []string{`"allowEval":false`, `"selfRequestsOnly":true`, `"includeIndicatorStyles":false`, `"allowScriptTags":false`} {
		if !strings.Contains(html.UnescapeString(page), setting) {
			t.Errorf("htmx is not told %s", setting)
		}
	}
}

// No path leads out of what is served, and no name to a file that is not a rule file of the configuration.
func TestPathTricks(t *testing.T) {
	b := open(t, newFake()).login("all")
	for _, path := range []string{
		"/assets/../console.go", "/assets/%2e%2e/console.go", "/assets/..%2fconsole.go", "/assets/vendor", "/assets/", "/assets/vendor/SHA256SUMS", "/assets//etc/passwd", "/files/console.js",
		"/pages/login.html", "/runs/..%2f..%2fetc", "/runs/r1%00", "/runs/r1/", "//evil.example/runs",
	} {
		status, text, h := b.do("GET", path, nil)
		if status == http.StatusOK || status >= 500 || strings.Contains(text, "package console") || strings.HasPrefix(h.Get("Location"), "//") {
			t.Errorf("%s: HTTP %d %q", path, status, h.Get("Location"))
		}
	}
	for _, name := range []string{"/etc/passwd", "../../etc/passwd", ruleFile + "\x00", "rules/../" + ruleFile, "./" + ruleFile, ""} {
		if status, _, _ := b.do("GET", "/rules/edit?file="+url.QueryEscape(name), nil); status != http.StatusNotFound {
			t.Errorf("edit %q: HTTP %d", name, status)
		}
		for _, path := range []string{"/rules/check", "/rules/compare", "/rules/edit"} {
			if status, _, _ := b.do("POST", path, form("file", name, "text", "x")); status != http.StatusNotFound {
				t.Errorf("%s %q: HTTP %d", path, name, status)
			}
		}
		b.do("POST", "/rules/activate", form("file", name, "text", "x", "was", hash("x")))
	}
	if len(b.f.done) > 0 {
		t.Errorf("done: %v", b.f.done)
	}
}

// A body that is too large is refused, whatever it is for.
func TestLargeBodies(t *testing.T) {
	b := open(t, newFake())
	large := form("key", strings.Repeat("x", 5<<20), "text", strings.Repeat("x", 5<<20))
	if status, _, _ := b.do("POST", "/login", large); status != http.StatusUnauthorized {
		t.Errorf("login: HTTP %d", status)
	}
	b.login("all")
	for _, path := range []string{"/rules/check", "/rules/activate", "/people", "/runs/r1/approve"} {
		if status, _, _ := b.do("POST", path, large); status != http.StatusRequestEntityTooLarge {
			t.Errorf("%s: HTTP %d", path, status)
		}
	}
	if len(b.f.done) > 0 {
		t.Errorf("done: %v", b.f.done)
	}
}

// What cannot be taken back wants the exact number typed: of the consents, or of what matches.
func TestTypedNumbers(t *testing.T) {
	b := open(t, newFake()).login("all")
	p := b.person()
	for _, n := range []string{"", "0", "3", "x", "1.0", "-1"} {
		if text := b.post("/people/erase", "p", p, "count", n, "back", "/people/person?p="+p); !strings.Contains(text, "Nothing was erased: type 1") {
			t.Errorf("erase with %q is not refused", n)
		}
		if text := b.post("/deliveries/resolve", "as", "lost", "count", n, "back", "/deliveries?outcome=unknown"); !strings.Contains(text, "Nothing was resolved: 2 match") {
			t.Errorf("resolve with %q is not refused", n)
		}
	}
	if b.post("/deliveries/resolve", "as", "perhaps", "count", "2", "back", "/deliveries"); len(b.f.done) > 0 {
		t.Errorf("done: %v", b.f.done)
	}
	if text := b.post("/people/erase", "p", p, "count", "1"); !strings.Contains(text, "Nothing of them is left") {
		t.Errorf("erased: %s", text)
	}
	if text := b.post("/deliveries/resolve", "as", "lost", "count", "2"); !strings.Contains(text, "2 messages count as lost") {
		t.Errorf("resolved: %s", text)
	}
}

// A message is looked over before it is sent: how many it reaches, what they agreed to, how it looks; the number is typed.
func TestSend(t *testing.T) {
	b := open(t, newFake()).login("all")
	_, text, _ := b.do("POST", "/send/look", form("topic", "price-drop", "subject", "SKU-1", "title", "It is here", "subtitle", "At last", "url", "https://shop.example/coat", "tap", "Buy it", "quick", "Thanks"))
	for _, want := range []string{"It reaches 214 people now", "They agreed to: plain", "It is here", "At last", "Buy it", "Thanks", "Type 214 to confirm"} {
		if !strings.Contains(text, want) {
			t.Errorf("it does not say %q:\n%s", want, text)
		}
	}
	for _, wrong := range [][]string{{"text", "itm"}, {"text", "a", "title", "b"}, {"subtitle", "no title"}, {"text", "a", "at", "tomorrow"}} {
		if _, text, _ := b.do("POST", "/send/look", form(append(wrong, "topic", "price-drop")...)); !strings.Contains(text, `role="alert"`) || strings.Contains(text, "to confirm") {
			t.Errorf("%v: %s", wrong, text)
		}
	}
	good := []string{"topic", "price-drop", "subject", "SKU-1", "text", "hello", "key", "k", "reaches", "214", "back", "/send"}
	for _, n := range []string{"", "213", "214.0", "x"} {
		if text := b.post("/send/now", append(good, "count", n)...); !strings.Contains(text, "Nothing was sent: type the number") {
			t.Errorf("%q: %s", n, text)
		}
	}
	b.f.reaches = 214 + 11
	if text := b.post("/send/now", append(good, "count", "214")...); !strings.Contains(text, "it would reach 225 now, not 214") || len(b.f.done) > 0 {
		t.Errorf("far more than were shown: %v\n%s", b.f.done, text)
	}
	b.f.reaches = 214 + 10
	if text := b.post("/send/now", append(good, "count", "214", "at", "2026-12-01T09:00")...); !strings.Contains(text, "It is planned for Dec 1, 09:00") {
		t.Errorf("planned: %s", text)
	}
	if got := strings.Join(b.f.done, "; "); got != `send price-drop SKU-1 false "hello" k 2026-12-01 09:00:00 +0000 UTC` {
		t.Errorf("done: %s", got)
	}
	b.f.duplicate = true
	if text := b.post("/send/now", append(good, "count", "214")...); !strings.Contains(text, "nothing was sent again") {
		t.Errorf("twice: %s", text)
	}
	if status, _, _ := open(t, b.f).login("read").do("GET", "/send", nil); status != http.StatusForbidden {
		t.Errorf("a key that may not send: HTTP %d", status)
	}
}

// An act that the host refuses is told once, on the page that it came from; a fault of otn's own is not told at all.
func TestErrorsAreTold(t *testing.T) {
	b := open(t, newFake()).login("all")
	b.f.err = fmt.Errorf("core: run r1 wants no approval: %w", otn.ErrRefused)
	status, _, h := b.do("POST", "/runs/r1/approve", form("back", "/people"))
	b.f.err = nil
	if text := b.get(h.Get("Location")); status != http.StatusSeeOther || !strings.Contains(text, "Run r1 wants no approval: refused.") {
		t.Errorf("HTTP %d\n%s", status, text)
	}
	if strings.Contains(b.get("/people"), "wants no approval") {
		t.Error("it is told twice")
	}
	if len(b.f.acts) == 0 || b.f.acts[len(b.f.acts)-1].Outcome != "refused" || b.f.acts[len(b.f.acts)-1].Act != "approve-run" {
		t.Errorf("recorded: %+v", b.f.acts)
	}
	for err, want := range map[error]int{
		otn.ErrNotFound: 404, otn.ErrInvalid: 422, otn.ErrConflict: 409, otn.ErrUnavailable: 503, context.DeadlineExceeded: 503, fmt.Errorf("secret-canary"): 500,
		&otn.SendError{Outcome: otn.Unknown, Err: fmt.Errorf("x")}: 502,
	} {
		b.f.err = err
		status, text, _ := b.do("GET", "/journal", nil)
		if status != want || strings.Contains(text, "secret-canary") || !strings.Contains(text, "<main") {
			t.Errorf("%v: HTTP %d\n%s", err, status, text)
		}
	}
}

// The first page asks the host for counters and bounded lists alone.
func TestOverviewScansNothing(t *testing.T) {
	b := open(t, newFake()).login("all")
	b.f.read = nil
	for _, want := range []string{"is paused", "2 more runs are paused", "2 messages of which nobody can tell"} {
		if text := b.get("/"); !strings.Contains(text, want) {
			t.Errorf("it does not say %q:\n%s", want, text)
		}
	}
	b.f.read = nil
	b.get("/")
	if got := strings.Join(b.f.read, ", "); got != "topics, open runs, overview, days" {
		t.Errorf("it asks for %s", got)
	}
}

// A rule file is checked as it is typed, with the place of each fault; nothing is written until it is activated.
func TestEditing(t *testing.T) {
	b := open(t, newFake()).login("all")
	was := hash(b.disk.text)
	_, faults, _ := b.do("POST", "/rules/check", form("file", ruleFile, "was", was, "text", "version: 1\r\n\twhen: itm.price\r\n"), "HX-Request", "true")
	if text := html.UnescapeString(faults); !strings.Contains(text, "\twhen: itm.price\n\t      ^^^") || !strings.Contains(text, `did you mean "item"?`) || strings.Contains(text, "<html") {
		t.Errorf("faults:\n%s", faults)
	}
	if _, text, _ := b.do("POST", "/rules/compare", form("file", ruleFile, "was", was, "text", "itm")); strings.Contains(text, ">Activate<") || !strings.Contains(text, "nothing can be activated") {
		t.Errorf("a faulty file can be activated:\n%s", text)
	}
	_, text, _ := b.do("POST", "/rules/compare", form("file", ruleFile, "was", was, "text", "version: 1\nrules: [a]\n", "tests", "yes"))
	for _, want := range []string{">Activate<", "-rules: []", "+rules: [a]", "Who gains", "failed"} {
		if !strings.Contains(html.UnescapeString(text), want) {
			t.Errorf("compare does not say %q:\n%s", want, text)
		}
	}
	if len(b.f.done) > 0 || hash(b.disk.text) != was {
		t.Fatalf("something was done: %v", b.f.done)
	}
	if text := b.post("/rules/activate", "file", ruleFile, "was", was, "text", "version: 1\r\nrules: [a]\r\n"); !strings.Contains(text, "shop.yaml decides from now on") || b.disk.text != "version: 1\nrules: [a]\n" {
		t.Errorf("activated %q\n%s", b.disk.text, text)
	}
	// Somebody else has changed it since: it is not written over, and the page says so before.
	b.f.done = nil
	if _, text, _ := b.do("POST", "/rules/compare", form("file", ruleFile, "was", was, "text", "mine")); !strings.Contains(text, "changed on disk") || strings.Contains(text, ">Activate<") {
		t.Errorf("compare:\n%s", text)
	}
	if text := b.post("/rules/activate", "file", ruleFile, "was", was, "text", "mine", "back", "/rules"); !strings.Contains(text, "changed on disk since you opened it") || len(b.f.done) > 0 {
		t.Errorf("activated over another change: %v\n%s", b.f.done, text)
	}
}

// What is vendored is what its list of hashes says, and all script is small.
func TestVendored(t *testing.T) {
	sums, err := os.ReadFile("files/vendor/SHA256SUMS")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{"SHA256SUMS": true}
	for line := range strings.Lines(string(sums)) {
		sum, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		text, err := os.ReadFile(filepath.Join("files/vendor", name))
		if err != nil || hash(string(text)) != sum {
			t.Errorf("%s is not what was vendored: %v", name, err)
		}
		listed[name] = true
	}
	entries, err := os.ReadDir("files/vendor")
	if err != nil {
		t.Fatal(err)
	}
	var scripts bytes.Buffer
	packed := gzip.NewWriter(&scripts)
	own, err := os.ReadFile("files/console.js")
	if err == nil {
		_, err = packed.Write(own)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !listed[e.Name()] {
			t.Errorf("%s has no hash", e.Name())
		}
		if strings.HasSuffix(e.Name(), ".js") {
			text, err := os.ReadFile(filepath.Join("files/vendor", e.Name()))
			if err == nil {
				_, err = packed.Write(text)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := packed.Close(); err != nil || scripts.Len() > 120<<10 || scripts.Len() < 10<<10 {
		t.Errorf("%d bytes of script, %v", scripts.Len(), err)
	}
}

// A console without the rule language, files and plugins shows what is left, and offers nothing else.
func TestBareConsole(t *testing.T) {
	f := newFake()
	b := open(t, f, func(o *console.Options) { o.Author, o.Files, o.Plugins = nil, nil, nil }).login("all")
	p := b.person()
	for _, path := range pages(p) {
		status, text, _ := b.do("GET", path, nil)
		if strings.HasPrefix(path, "/rules/edit") != (status == http.StatusNotFound) || strings.Contains(text, "/rules/edit?") || strings.Contains(text, `action="/channels/test"`) {
			t.Errorf("%s: HTTP %d", path, status)
		}
	}
	for _, path := range []string{"/channels/test", "/channels/release", "/rules/activate"} {
		if b.post(path, "name", "shop", "file", ruleFile, "back", "/runs"); len(f.done) > 0 {
			t.Errorf("%s did %v", path, f.done)
		}
	}
}
