//go:build browser

// The console in a real browser: an operator's day, on a wide page and on a narrow one, and no serious fault in how it is read.

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/onetimenotify/otn/cmd/otn/config"
	"github.com/onetimenotify/otn/core/api"
)

// waited is how long the tests wait for a page to say something.
const waited = 20 * time.Second

const browserConfig = `listen: {hooks: "127.0.0.1:0", admin: "127.0.0.1:0"}
timezone: America/New_York
rules: ["rules/*.yaml"]
channels:
  shop: {plugin: mock, rate: 6/s}
`

const browserRules = `version: 1
topics:
  price-drop:
    use: price_drop
    subject: item
    ask: "${item.title} gets cheaper"
    answers: {target: {type: money, optional: true}}
rules:
  - id: price-drop
    topic: price-drop
    on: [item.changed]
    when: item.price < was.price && (!sub.has.target || item.price <= sub.target)
    limits: {pause_above: {share: 25%, at_least: 10}}
    message: {text: "${item.title} is now ${item.price}"}
`

// desk is a daemon in this process with its client, and a browser that looks at it.
type desk struct {
	t    *testing.T
	ctx  context.Context // of the browser's page
	at   string
	key  string
	dir  string
	door *api.Client

	mu     sync.Mutex
	faults []string // what the browser complained of
}

// openDesk starts a daemon whose people wait, and a browser in front of its console.
func openDesk(t *testing.T, width, height int64, scheme string) *desk {
	t.Helper()
	s := &desk{t: t, dir: t.TempDir()}
	k := &call{console: console{stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard}, format: asTable, file: filepath.Join(s.dir, "otn.yaml")}
	if err := k.writeFiles(s.dir, map[string][]byte{"otn.yaml": []byte(browserConfig), "rules/shop.yaml": []byte(browserRules)}, ""); err != nil {
		t.Fatal(err)
	}
	if err := k.load(config.Whole); err != nil {
		t.Fatal(err)
	}
	set, err := k.compile()
	if err != nil {
		t.Fatal(err)
	}
	command, err := ownCommand()
	if err != nil {
		t.Fatal(err)
	}
	d := &daemon{
		config: k.config, rules: set, log: slog.New(slog.DiscardHandler), command: command, version: "test", say: func(string, ...any) {}, reread: k.reread, paths: k.rulePaths,
	}
	ctx, stop := context.WithCancel(t.Context())
	open, ended := make(chan doors, 1), make(chan error, 1)
	d.ready = func(at doors) { open <- at }
	go func() { ended <- d.run(ctx, ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	select {
	case at := <-open:
		s.at = "http://" + at.Admin
	case err := <-ended:
		t.Fatal(err)
	}
	if s.door, err = k.client(); err != nil {
		t.Fatal(err)
	}
	secret, err := api.ReadKey(k.config.Data)
	if err != nil {
		t.Fatal(err)
	}
	s.key = secret.Reveal()
	s.browse(width, height, scheme)
	return s
}

// profile is a folder for the browser's own files. The browser's children write to it for a moment after the browser has ended, so that it is removed until nothing is left of it.
func (s *desk) profile() string {
	s.t.Helper()
	dir, err := os.MkdirTemp("", "otn-browser-")
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		err := os.RemoveAll(dir)
		for end := time.Now().Add(waited); err != nil && time.Now().Before(end); err = os.RemoveAll(dir) {
			time.Sleep(10 * time.Millisecond)
		}
		if err != nil {
			s.t.Error(err)
		}
	})
	return dir
}

// browse starts a browser with nothing of any earlier one.
func (s *desk) browse(width, height int64, scheme string) {
	s.t.Helper()
	flags := []chromedp.ExecAllocatorOption{chromedp.NoFirstRun, chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(s.profile())}
	for _, flag := range []string{"disable-quic", "disable-background-networking", "disable-component-update", "disable-sync"} {
		flags = append(flags, chromedp.Flag(flag, true))
	}
	all, end := chromedp.NewExecAllocator(s.t.Context(), flags...)
	s.t.Cleanup(end)
	page, closePage := chromedp.NewContext(all)
	s.t.Cleanup(func() {
		if err := chromedp.Cancel(page); err != nil && !errors.Is(err, context.Canceled) {
			s.t.Error(err)
		}
		closePage()
	})
	s.ctx = page
	chromedp.ListenTarget(page, func(e any) {
		switch e := e.(type) {
		case *runtime.EventExceptionThrown:
			s.complain("a script ended in an error: " + e.ExceptionDetails.Error())
		case *log.EventEntryAdded:
			if e.Entry.Level == log.LevelError {
				s.complain(fmt.Sprintf("%s: %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL))
			}
		}
	})
	s.run(emulation.SetDeviceMetricsOverride(width, height, 1, width < 600), emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}))
}

func (s *desk) complain(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, what)
}

// quiet fails when the browser complained: of a script, of what the policy forbids, of what could not be loaded.
func (s *desk) quiet() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.faults {
		s.t.Error(f)
	}
}

// run does things in the browser, and waits no longer than it is patient.
func (s *desk) run(actions ...chromedp.Action) {
	s.t.Helper()
	first := s.ctx
	if chromedp.FromContext(first).Target != nil { // a deadline on the first call would end the browser with it
		var cancel context.CancelFunc
		first, cancel = context.WithTimeout(first, waited)
		defer cancel()
	}
	if err := chromedp.Run(first, actions...); err != nil {
		text := ""
		if !errors.Is(err, context.Canceled) {
			_ = chromedp.Run(s.ctx, chromedp.Text("body", &text, chromedp.ByQuery))
		}
		s.t.Fatalf("%v\nthe page says:\n%s", err, text)
	}
}

func (s *desk) visit(path string) { s.t.Helper(); s.run(chromedp.Navigate(s.at + path)) }

// says waits until what a selector finds holds a text.
func (s *desk) says(selector, text string) {
	s.t.Helper()
	find := fmt.Sprintf(`[...document.querySelectorAll(%q)].some(e => e.innerText.includes(%q))`, selector, text)
	s.run(chromedp.Poll(find, nil, chromedp.WithPollingInterval(50*time.Millisecond), chromedp.WithPollingTimeout(waited)))
}

// number reads a row of the funnel.
func (s *desk) number(row string) (n int) {
	s.t.Helper()
	find := fmt.Sprintf(`Number([...document.querySelectorAll(".funnel li")].find(e => e.innerText.startsWith(%q)).querySelector("b").innerText.replaceAll(",", ""))`, row)
	s.run(chromedp.Evaluate(find, &n))
	return n
}

// submit presses a button and waits for the page that it leads to.
func (s *desk) submit(selector string) {
	s.t.Helper()
	s.leads(chromedp.Click(selector, chromedp.ByQuery, chromedp.NodeVisible))
}

// leads does something and waits for the page that it leads to.
func (s *desk) leads(do chromedp.Action) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, waited)
	defer cancel()
	if _, err := chromedp.RunResponse(ctx, do); err != nil {
		s.t.Fatal(err)
	}
}

func (s *desk) login() {
	s.t.Helper()
	s.visit("/")
	s.run(chromedp.WaitVisible("#key", chromedp.ByQuery), chromedp.SendKeys("#key", s.key, chromedp.ByQuery))
	s.submit("button[type=submit]")
	s.says("h1", "Overview")
}

// types puts a text into the editor as a hand would: with the event that a change makes.
func (s *desk) types(from, to string) {
	s.t.Helper()
	s.run(chromedp.Evaluate(fmt.Sprintf(`(() => { const t = document.getElementById("text"); t.value = t.value.replace(%q, %q); t.dispatchEvent(new InputEvent("input", {bubbles: true})); })()`, from, to), nil))
}

func (s *desk) post(path string, body any) {
	s.t.Helper()
	var answer any
	if err := s.door.Post(s.t.Context(), path, "", body, &answer); err != nil {
		s.t.Fatal(err)
	}
}

func (s *desk) price(amount string) {
	s.post("/v1/observations", map[string]any{"observations": []any{map[string]any{"kind": "item", "id": "SKU-1", "title": "Wool coat", "price": amount}}})
}

// people are thirty who wait for the coat; p0 wants it for less.
func (s *desk) people() {
	for i := range 30 {
		body := map[string]any{"channel": "shop", "recipient": fmt.Sprintf("customer-%04d-of-the-shop", i), "topic": "price-drop", "subject": "SKU-1", "token": fmt.Sprint("token-", i)}
		if i == 0 {
			body["answers"] = map[string]string{"target": "50.00 USD"}
		}
		s.post("/v1/consents", body)
	}
}

// An operator's day: a run that waits for a word is approved and watched, a rule is edited with a mistake, mended, compared and
// activated, somebody is found and told why not, and erased.
func TestBrowserDay(t *testing.T) {
	for _, screen := range []struct {
		name          string
		width, height int64
	}{{"wide", 1280, 900}, {"phone", 390, 844}} {
		t.Run(screen.name, func(t *testing.T) {
			s := openDesk(t, screen.width, screen.height, "light")
			s.price("120.00 USD")
			s.people()
			s.login()
			s.says(".figures", "30")
			s.price("99.00 USD")
			s.decides()
			s.edits()
			s.tellsWhyNot()
			s.erases()
			s.sends()
			s.keys()
			s.quiet()
		})
	}
}

// decides approves the run that waits, and watches it to its end without loading the page again.
func (s *desk) decides() {
	s.says(".needs", "A run of price-drop is paused") // the overview refreshes itself
	s.submit(".needs a.button")
	s.says("h1", "paused")
	s.submit("#act-approve")
	s.says(".notice", "Approved")
	s.run(chromedp.Evaluate(`document.body.dataset.watched = "yes"`, nil))
	s.says("h1", "running")
	seen := map[int]bool{}
	for at := time.Now(); time.Since(at) < waited && s.number("Sent") < 29; {
		seen[s.number("Sent")] = true
		s.run(chromedp.Sleep(100 * time.Millisecond)) // the browser's own time: the messages go out at six a second
	}
	s.says("h1", "done")
	if s.number("Looked at") != 30 || s.number("Sent") != 29 || s.number("Not meant") != 1 || len(seen) < 3 {
		s.t.Errorf("seen on the way: %v", seen)
	}
	watched := ""
	if s.run(chromedp.Evaluate(`document.body.dataset.watched || ""`, &watched)); watched != "yes" {
		s.t.Error("the page was loaded again")
	}
}

// edits makes a mistake, sees where it is, mends it, compares and activates.
func (s *desk) edits() {
	s.visit("/rules")
	s.submit("#files + ul a")
	s.says("#faults", "No fault found")
	s.types("item.price < was.price", "itm.price < was.price")
	s.says("#faults .caret", "    when: itm.price < was.price && (!sub.has.target || item.price <= sub.target)\n          ^^^")
	s.says("#faults", `did you mean "item"?`)
	s.says(".gutter .error", "12")
	s.run(chromedp.Click("#faults a.place", chromedp.ByQuery))
	at := 0
	s.run(chromedp.Evaluate(`document.activeElement.value.slice(document.activeElement.selectionStart).startsWith("itm.price") ? 1 : 0`, &at))
	if at != 1 {
		s.t.Error("the place of the fault is not gone to")
	}
	s.types("itm.price", "item.price")
	s.says("#faults", "No fault found")
	s.types("is now ${item.price}", "costs ${item.price} now")
	s.submit(".editing button[type=submit]")
	s.says(".diff .added", "costs ${item.price} now")
	s.says(".diff .removed", "is now ${item.price}")
	s.says("h1", "Compare shop.yaml")
	s.submit(`form[action="/rules/activate"] button:not(.quiet)`)
	s.says(".notice.ok", "shop.yaml decides from now on")
	text, err := os.ReadFile(filepath.Join(s.dir, "rules/shop.yaml"))
	if err != nil || string(text) != strings.Replace(browserRules, "is now ${item.price}", "costs ${item.price} now", 1) {
		s.t.Errorf("the file is %v\n%s", err, text)
	}
}

// find looks a person up.
func (s *desk) find(id string) {
	s.visit("/people")
	s.run(chromedp.WaitVisible("#id", chromedp.ByQuery), chromedp.SendKeys("#id", id, chromedp.ByQuery))
	s.submit("main button[type=submit]")
}

func (s *desk) tellsWhyNot() {
	s.find("customer-0000-of-the-shop")
	s.says(".decisive", "item.price <= sub.target is false")
	s.says(".stories", "Not told by price-drop")
	s.says("h1", "cust…shop")
	whole := false
	if s.run(chromedp.Evaluate(`document.documentElement.outerHTML.includes("customer-0000-of-the-shop") || location.href.includes("customer")`, &whole)); whole {
		s.t.Error("the page or its address has the whole id")
	}
	s.find("customer-0007-of-the-shop")
	s.says(".stories", "Told by price-drop")
}

func (s *desk) erases() {
	s.find("customer-0000-of-the-shop")
	s.run(chromedp.SendKeys("#count", "7", chromedp.ByQuery))
	s.submit(`form[action="/people/erase"] button`)
	s.says(".notice.bad", "Nothing was erased: type 1")
	s.run(chromedp.SendKeys("#count", "1", chromedp.ByQuery))
	s.submit(`form[action="/people/erase"] button`)
	s.says(".notice.ok", "Nothing of them is left")
	s.find("customer-0000-of-the-shop")
	s.says(".notice.bad", "Nothing is known of")
}

// sends writes a message to who waits, sees whom it reaches, and sends it.
func (s *desk) sends() {
	s.post("/v1/consents", map[string]any{"channel": "shop", "recipient": "customer-0077-of-the-shop", "topic": "price-drop", "subject": "SKU-1", "token": "token-77"})
	s.visit("/topics/topic?id=price-drop&subject=SKU-1")
	s.submit(".head a.button")
	s.run(chromedp.SendKeys("#body", "A last word on ${item.title}", chromedp.ByQuery))
	s.submit("main button[type=submit]")
	s.says("#reach", "It reaches 1 person now")
	s.says(".bubble", "A last word on")
	s.run(chromedp.SendKeys("#count", "1", chromedp.ByQuery))
	s.submit(`form[action="/send/now"] button:not(.quiet)`)
	s.says(".notice.ok", "It goes out now")
	s.says("h1", "done")
	if s.number("Sent") != 1 {
		s.t.Errorf("%d were sent", s.number("Sent"))
	}
}

// keys goes about without a pointer.
func (s *desk) keys() {
	s.visit("/")
	s.run(chromedp.KeyEvent("g"))
	s.leads(chromedp.KeyEvent("r"))
	s.says("h1", "Runs")
	s.leads(chromedp.KeyEvent("/"))
	s.says("h1", "People")
	s.run(chromedp.Poll(`document.activeElement.id === "id"`, nil, chromedp.WithPollingTimeout(waited)))
}

// Every page reads well: no serious fault by axe, no page wider than its screen, and none that the browser complains of; light,
// dark, and on a phone.
func TestBrowserReads(t *testing.T) {
	axe, err := os.ReadFile("testdata/browser/node_modules/axe-core/axe.min.js")
	if err != nil {
		t.Fatalf("%v: run npm ci in testdata/browser", err)
	}
	for _, screen := range []struct {
		name          string
		width, height int64
		scheme        string
	}{{"light", 1280, 900, "light"}, {"dark", 1280, 900, "dark"}, {"phone", 390, 844, "light"}} {
		t.Run(screen.name, func(t *testing.T) {
			s := openDesk(t, screen.width, screen.height, screen.scheme)
			s.price("120.00 USD")
			s.visit("/login")
			s.reads(string(axe), "/login")
			s.login()
			s.reads(string(axe), "/ while nobody waits")
			s.people()
			s.price("99.00 USD")
			s.visit("/")
			s.says(".needs", "is paused")
			for _, path := range s.pages() {
				s.visit(path)
				s.reads(string(axe), path)
			}
			s.find("customer-0000-of-the-shop")
			s.reads(string(axe), "a person")
			s.visit("/rules/rule?id=price-drop")
			s.run(chromedp.SendKeys("#person", "customer-0000-of-the-shop", chromedp.ByQuery))
			s.submit(`form[action="/rules/explain"] button`)
			s.says(".parts", "sub.target")
			s.says(".bubble", "Wool coat is now $99.00")
			s.reads(string(axe), "an explanation")
			s.visit("/rules/edit?file=" + filepath.Join(s.dir, "rules/shop.yaml"))
			s.types("item.price", "itm.price")
			s.says("#faults", "error")
			s.reads(string(axe), "a fault")
			s.types("itm.price", "item.price")
			s.types("is now", "costs")
			s.submit(".editing button[type=submit]")
			s.reads(string(axe), "a comparison")
			s.visit("/send?topic=price-drop&subject=SKU-1")
			s.run(chromedp.SendKeys("#title", "A last word", chromedp.ByQuery), chromedp.SendKeys("#subtitle", "or two", chromedp.ByQuery))
			s.submit("main button[type=submit]")
			s.says(".bubble", "or two")
			s.reads(string(axe), "a message before it is sent")
			s.quiet()
			s.visit("/nowhere")
			s.reads(string(axe), "/nowhere")
		})
	}
}

// pages are the addresses of all pages that stand in the navigation, of the one topic and of the newest run.
func (s *desk) pages() []string {
	s.t.Helper()
	var runs api.Runs
	if err := s.door.Get(s.t.Context(), "/v1/runs", nil, &runs); err != nil || len(runs.Runs) == 0 {
		s.t.Fatal(err)
	}
	var list []string
	s.run(chromedp.Evaluate(`[...document.querySelectorAll("nav a[data-key]")].map(a => a.getAttribute("href"))`, &list))
	if len(list) != 10 {
		s.t.Errorf("in the navigation: %v", list)
	}
	return append(list, "/topics/topic?id=price-drop", "/runs/"+runs.Runs[0].ID, "/deliveries?outcome=unknown", "/audit", "/rules/rule?id=price-drop", "/send?topic=price-drop&subject=SKU-1")
}

// reads looks at the page as axe does.
func (s *desk) reads(axe, name string) {
	s.t.Helper()
	var found struct {
		Violations []struct {
			ID, Impact, Help string
			Nodes            []struct {
				Target         any
				FailureSummary string
			}
		}
		Passes []struct{ ID string }
	}
	var text string
	wide := false
	wait := func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }
	s.run(chromedp.Evaluate(`document.documentElement.scrollWidth > innerWidth`, &wide), chromedp.Evaluate(axe, nil),
		chromedp.Evaluate(`axe.run().then(r => JSON.stringify({Violations: r.violations, Passes: r.passes}))`, &text, wait))
	if err := json.Unmarshal([]byte(text), &found); err != nil || len(found.Passes) < 10 {
		s.t.Fatalf("%s: axe looked at %d things, %v", name, len(found.Passes), err)
	}
	if wide {
		s.t.Errorf("%s is wider than its screen", name)
	}
	for _, v := range found.Violations {
		for _, n := range v.Nodes {
			say := s.t.Errorf
			if v.Impact != "serious" && v.Impact != "critical" {
				say = s.t.Logf
			}
			say("%s: %s (%s): %s: %v %s", name, v.ID, v.Impact, v.Help, n.Target, n.FailureSummary)
		}
	}
}
