// The console from outside: who comes in, what each key may do, and what no page may hold.

package console_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/console"
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
