// What comes from outside: text, paths, sites and bodies that mean harm, and people whose ids no page shows whole.

package console_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/onetimenotify/otn/core"
)

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
