//go:build crash

// The kill -9 loop: a daemon that is killed at random moments, and every token counted in the end.
package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core/api"
	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/channel"
	"github.com/onetimenotify/otn/plugins/messenger"
	"github.com/onetimenotify/otn/plugins/messenger/graphtest"
	"github.com/onetimenotify/otn/plugins/mock"
)

var seed = flag.Uint64("seed", 0, "of the moments at which the daemon is killed; 0: a new one")

const (
	people = 2000
	kills  = 15
	// latency is how long the platform holds a message: long enough that a kill finds some on their way.
	latency = 10 * time.Millisecond
)

// fast is the messenger without its platform's limit of 40 messages a second; all else is the same.
type fast struct{ *messenger.Messenger }

func (f fast) Describe(ctx context.Context) (otn.Description, error) {
	about, err := f.Messenger.Describe(ctx)
	about.Capabilities.Rate = 10_000
	return about, err
}

// servedAs is the plugin that this binary is when it is called by another name.
func servedAs(name string) channel.Program {
	if name != "fast" {
		return nil
	}
	return channel.Plugin[messenger.Config]{Name: "fast", Version: "1.0.0", New: func(_ context.Context, c messenger.Config, _ channel.Setup) (any, error) {
		m, err := messenger.New(c)
		if err != nil {
			return nil, err
		}
		return fast{m}, nil
	}}
}

const crashRules = `version: 1
topics:
  price-drop: {use: price_drop, subject: item, ask: "${item.title} gets cheaper"}
rules:
  - id: price-drop
    topic: price-drop
    on: [item.changed]
    when: item.price < was.price
    message: {text: "${item.title} is now ${item.price}"}
`

// victim is a daemon that is killed and started again.
type victim struct {
	t     *testing.T
	dir   string
	self  string
	rand  *rand.Rand
	web   *http.Client
	cmd   *exec.Cmd
	lines chan string // of its stderr
	hooks string      // while it runs
}

// born makes the folder of a daemon.
func born(t *testing.T, otnYAML string) *victim {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	n := *seed
	if n == 0 {
		n = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d", n)
	v := &victim{t: t, dir: t.TempDir(), self: self, rand: rand.New(rand.NewPCG(n, 0)), web: &http.Client{Timeout: 5 * time.Second}}
	v.write("otn.yaml", otnYAML)
	v.write("rules.yaml", crashRules)
	t.Cleanup(func() {
		v.web.CloseIdleConnections()
		if v.cmd != nil {
			v.kill()
		}
	})
	return v
}

func (v *victim) write(name, text string) {
	if err := os.WriteFile(filepath.Join(v.dir, name), []byte(text), 0o600); err != nil {
		v.t.Fatal(err)
	}
}

// start starts the daemon and does not wait for it.
func (v *victim) start() {
	v.t.Helper()
	v.cmd = exec.Command(v.self, "serve", "-c", filepath.Join(v.dir, "otn.yaml"), "--log-level", "error")
	v.cmd.Args[0], v.cmd.Dir = "otn", v.dir
	stderr, err := v.cmd.StderrPipe()
	if err == nil {
		err = v.cmd.Start()
	}
	if err != nil {
		v.t.Fatal(err)
	}
	lines := make(chan string, 1000)
	v.lines = lines
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(stderr); s.Scan(); {
			select {
			case lines <- s.Text():
			default: // more than anybody reads
			}
		}
	}()
}

// ready waits until the doors are open.
func (v *victim) ready() {
	v.t.Helper()
	timeout := time.After(deadline)
	for {
		select {
		case line, ok := <-v.lines:
			if !ok {
				v.t.Fatal("the daemon ended")
			}
			if _, rest, found := strings.Cut(line, "ready: hooks "); found {
				v.hooks, _, _ = strings.Cut(rest, ",")
				return
			}
			v.t.Log(line)
		case <-timeout:
			v.t.Fatal("the daemon is not ready")
		}
	}
}

// kill is kill -9.
func (v *victim) kill() {
	_ = v.cmd.Process.Kill()
	for range v.lines { // until its end
	}
	_ = v.cmd.Wait()
	v.cmd = nil
}

// live lets the daemon run for a random while, and kills it: mostly at work, and some before they are ready.
func (v *victim) live(longest time.Duration) {
	v.start()
	if v.rand.IntN(4) > 0 {
		v.ready()
	}
	time.Sleep(time.Duration(v.rand.Int64N(int64(longest))))
	v.kill()
}

// stop ends the daemon as an operator does.
func (v *victim) stop() {
	v.t.Helper()
	_ = v.cmd.Process.Signal(syscall.SIGTERM)
	for line := range v.lines {
		v.t.Log(line)
	}
	if err := v.cmd.Wait(); err != nil {
		v.t.Errorf("SIGTERM: %v", err)
	}
	v.cmd = nil
}

// post delivers a webhook as a platform does: again and again until it is taken. The daemon may die meanwhile.
func (v *victim) post(instance string, body []byte, header http.Header) {
	v.t.Helper()
	for end := time.Now().Add(deadline); ; {
		if v.tryPost(instance, body, header) {
			return
		}
		if time.Now().After(end) {
			v.t.Fatalf("a webhook for %s is never taken", instance)
		}
		time.Sleep(10 * time.Millisecond) // a plugin that is still starting answers 503
	}
}

func (v *victim) tryPost(instance string, body []byte, header http.Header) bool {
	r, err := http.NewRequest(http.MethodPost, v.hooks+"/hooks/"+instance, bytes.NewReader(body))
	if err != nil {
		v.t.Fatal(err)
	}
	r.Header = header
	answer, err := v.web.Do(r)
	if err != nil {
		return false
	}
	_, _ = io.Copy(io.Discard, answer.Body)
	_ = answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

// cli runs a command against the daemon and reads its JSON.
func (v *victim) cli(out any, args ...string) {
	v.t.Helper()
	cmd := exec.Command(v.self, append(args, "-c", filepath.Join(v.dir, "otn.yaml"), "-o", "json")...)
	cmd.Args[0] = "otn"
	text, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(text, out)
	}
	if err != nil {
		v.t.Fatalf("otn %s: %v\n%s", strings.Join(args, " "), err, text)
	}
}

// topic is how many consents stand where.
func (v *victim) topic() (waiting, claimed, sent, unknown int64) {
	v.t.Helper()
	var page api.Topics
	v.cli(&page, "topics")
	for _, t := range page.Topics {
		if t.ID == "price-drop" {
			return t.Waiting, t.Claimed, t.Sent, t.Unknown
		}
	}
	v.t.Fatal("no topic price-drop")
	return
}

// quiet waits until so, asking again and again.
func (v *victim) quiet(what string, so func() bool) {
	v.t.Helper()
	for end := time.Now().Add(time.Minute); !so(); {
		if time.Now().After(end) {
			v.t.Fatalf("never: %s", what)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// jacket is a signed product webhook.
func jacket(price, updated string) ([]byte, http.Header) {
	body := fmt.Appendf(nil, `{"id":1,"handle":"dock-jacket","title":"Dock Jacket","status":"active","published_at":"2026-09-01T09:05:00Z","updated_at":%q,"variants":[{"id":11,"product_id":1,"sku":"DJ","title":"S","price":%q,"inventory_policy":"deny","inventory_quantity":3,"updated_at":%q}]}`, updated, price, updated)
	mac := hmac.New(sha256.New, []byte("crash-shopify-secret"))
	_, _ = mac.Write(body)
	return body, http.Header{
		"X-Shopify-Topic": {"products/update"}, "X-Shopify-Webhook-Id": {"crash-" + updated},
		"X-Shopify-Hmac-Sha256": {base64.StdEncoding.EncodeToString(mac.Sum(nil))},
	}
}

// On a platform that refuses a token's second use, every token is accepted exactly once, whenever the daemon dies.
func TestCrashMessenger(t *testing.T) {
	graph, err := graphtest.Start(graphtest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer graph.Close() //nolint:errcheck // it is in this process
	graph.Fail(graphtest.Slow(latency).Repeat(-1))
	v := born(t, fmt.Sprintf(`
data: data
listen: {hooks: "127.0.0.1:0", admin: "127.0.0.1:0"}
rules: [rules.yaml]
channels:
  shop: {plugin: ./fast, rate: 500/s, config: {page_id: %q, page_token: %s, app_secret: %s, graph_url: %q}}
sources:
  store: {plugin: shopify, config: {secrets: [crash-shopify-secret], currency: USD, id: sku}}
`, graphtest.PageID, graphtest.AccessToken, graphtest.AppSecret, graph.URL))
	if err := os.Link(v.self, filepath.Join(v.dir, "fast")); err != nil {
		copyFile(t, v.self, filepath.Join(v.dir, "fast"))
	}

	v.start()
	v.ready()
	body, header := jacket("149.00", "2026-11-20T10:00:00Z")
	v.post("store", body, header)
	var tokens []string
	const each = 20
	for n := 0; n < people; n += each {
		var events []graphtest.Event
		for i := range each {
			e := graph.Consent(fmt.Sprintf("54%014d", n+i), "notify.price-drop.DJ")
			events, tokens = append(events, e), append(tokens, e.Token)
		}
		h := graph.Sign(events...)
		if n == people/2 { // dies in the middle of the consents, and is told again
			v.tryPost("shop", h.Body, h.Header)
			v.kill()
			v.start()
			v.ready()
		}
		v.post("shop", h.Body, h.Header)
	}
	if waiting, _, _, _ := v.topic(); waiting != people {
		t.Fatalf("%d consents wait, want %d", waiting, people)
	}
	body, header = jacket("119.00", "2026-11-27T09:00:00Z")
	v.post("store", body, header)
	v.kill()
	for range kills - 2 {
		v.live(400 * time.Millisecond)
	}
	t.Logf("%d of %d accepted when the killing ends", len(graph.Messages()), people)
	v.start()
	v.ready()
	v.quiet("every token is accepted", func() bool { return len(graph.Messages()) >= people })
	v.quiet("no claim is open", func() bool {
		waiting, claimed, sent, unknown := v.topic()
		return waiting == 0 && claimed == 0 && sent+unknown == people
	})
	_, _, sent, unknown := v.topic()
	t.Logf("sent %d, probably delivered %d, calls %d", sent, unknown, len(graph.Calls()))
	v.stop()

	for _, token := range tokens {
		if n := len(graph.Delivered(token)); n != 1 {
			t.Errorf("token …%s was accepted %d times", token[len(token)-6:], n)
		}
	}
	if d := graph.Doubles(); len(d) > 0 {
		t.Errorf("%d doubles, the first %+v", len(d), d[0])
	}
	if n := len(graph.Messages()); n != people {
		t.Errorf("%d messages, want %d", n, people)
	}
}

// On a platform that guarantees nothing no token is ever used twice: what nobody can tell about is listed, and an operator resolves it.
func TestCrashMock(t *testing.T) {
	v := born(t, fmt.Sprintf(`
data: data
listen: {hooks: "127.0.0.1:0", admin: "127.0.0.1:0"}
rules: [rules.yaml]
channels:
  shop: {plugin: mock, rate: 500/s, config: {out: out.jsonl, max_in_flight: 32, script: [{do: slow, after: %s}]}}
sources:
  store: {plugin: shopify, config: {secrets: [crash-shopify-secret], currency: USD, id: sku}}
`, latency))
	v.start()
	v.ready()
	body, header := jacket("149.00", "2026-11-20T10:00:00Z")
	v.post("store", body, header)
	var grants []mock.Grant
	for i := range people {
		grants = append(grants, mock.Grant{Recipient: fmt.Sprintf("p%d", i), Topic: "price-drop", Subject: "DJ", Token: fmt.Sprintf("crash-token-%d", i)})
	}
	for part := 0; part < people; part += 100 {
		text, err := json.Marshal(grants[part : part+100])
		if err != nil {
			t.Fatal(err)
		}
		v.post("shop", text, http.Header{"Content-Type": {"application/json"}})
	}
	body, header = jacket("119.00", "2026-11-27T09:00:00Z")
	v.post("store", body, header)
	v.kill()
	for range kills - 1 {
		v.live(400 * time.Millisecond)
	}
	v.start()
	v.ready()
	v.quiet("the run ends", func() bool {
		waiting, claimed, _, _ := v.topic()
		return waiting == 0 && claimed == 0
	})
	left := v.left()
	_, _, sent, unknown := v.topic()
	t.Logf("sent %d, unknown %d, left %d", sent, unknown, len(left))
	if sent+unknown != people {
		t.Errorf("%d sent and %d unknown are not %d", sent, unknown, people)
	}

	var page api.Deliveries
	v.cli(&page, "deliveries", "list", "--outcome", "unknown", "--limit", "0")
	if int64(len(page.Deliveries)) != unknown {
		t.Errorf("%d deliveries are listed as unknown, want %d", len(page.Deliveries), unknown)
	}
	var first api.Deliveries
	v.cli(&first, "deliveries", "list")
	for i := range min(len(first.Deliveries), len(page.Deliveries)) {
		if first.Deliveries[i].Outcome != "unknown" {
			t.Errorf("row %d of the list is %s: those in doubt come first", i, first.Deliveries[i].Outcome)
			break
		}
	}
	lost := 0
	for _, d := range page.Deliveries {
		what := "lost"
		if left[d.Consent] {
			what = "sent"
		} else {
			lost++
		}
		var answer any
		v.cli(&answer, "deliveries", "resolve", d.ID, what)
	}
	t.Logf("%d resolved as sent, %d as lost", len(page.Deliveries)-lost, lost)
	v.quiet("nothing is in doubt any more", func() bool {
		_, claimed, _, unknown := v.topic()
		return claimed == 0 && unknown == 0
	})
	v.stop()
	v.left()
}

// left are the tokens that the mock accepted; none may be there twice.
func (v *victim) left() map[string]bool {
	v.t.Helper()
	lines, err := mock.ReadFile(filepath.Join(v.dir, "out.jsonl"))
	if err != nil {
		v.t.Fatal(err)
	}
	once := map[string]bool{}
	for _, l := range lines {
		id := l.Token.String()
		if once[id] {
			v.t.Errorf("consent %s got two messages", id)
		}
		once[id] = true
	}
	return once
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, text, 0o700)
	}
	if err != nil {
		t.Fatal(err)
	}
}
