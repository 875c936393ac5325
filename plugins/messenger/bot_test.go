// The whole way over a real Host: a bot's JSON block, or a link, the ask, the tap, and the one message when it happens.

package messenger

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/ledger/pebble"
	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/messenger/graphtest"
	"github.com/onetimenotify/otn/rules"
)

const botShop = `
version: 1
timezone: UTC
topics:
  back-in-stock:
    use: back_in_stock
    subject: item
    ask: "${item.title} is back?"
    answers: {block_id: {type: string, optional: true}}
rules:
  - id: back
    topic: back-in-stock
    on: [item.changed]
    when: item.stock > 0 && was.stock == 0
    message: {text: "${item.title} is back"}
`

// direct calls a handler without a network, so that time can be virtual.
type direct struct{ http.Handler }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	return w.Result(), nil
}

// stage is a Host with one page before a fake platform.
type stage struct {
	t    *testing.T
	host *core.Host
	g    *graphtest.Server

	broadcasts []string // what the bot platform was called with
	answer     []byte   // of the bot platform
}

// ServeHTTP is the platform, and the bot's.
func (s *stage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Host != "api.chatfuel.com" {
		s.g.ServeHTTP(w, r)
		return
	}
	s.broadcasts = append(s.broadcasts, r.Method+" "+r.URL.Path+" "+r.URL.Query().Encode())
	_, _ = w.Write(s.answer)
}

func onStage(t *testing.T, play func(s *stage), change ...func(*Config)) {
	synctest.Test(t, func(t *testing.T) {
		set, err := rules.Compile(rules.File{Name: "shop.yaml", Source: []byte(botShop)})
		if err != nil {
			t.Fatal(err)
		}
		g := graphtest.New(graphtest.Options{AppSecret: testApp, Pages: []graphtest.Page{{ID: testPage, AccessToken: testToken}}})
		m := botPage(t, change...)
		s := &stage{t: t, g: g, answer: fixture(t, "chatfuel/broadcast_response.ok.json")}
		m.client = &http.Client{Transport: direct{s}}
		engine, err := pebble.Open("data", pebble.Options{FS: vfs.NewMem(), Marks: pebble.NewMemory(), Still: true})
		if err != nil {
			t.Fatal(err)
		}
		host, err := core.New(core.Config{Engine: engine, Key: ledger.NewKey(), Rules: set, Channels: map[string]otn.Channel{"shop": m}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- host.Run(ctx) }()
		<-host.Ready()
		s.host = host
		play(s)
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// hook gives a signed event to the page's webhook.
func (s *stage) hook(events ...graphtest.Event) {
	s.t.Helper()
	h := s.g.Sign(events...)
	r := httptest.NewRequest(http.MethodPost, "/hooks/shop", strings.NewReader(string(h.Body)))
	r.Header = h.Header
	if code, body := s.serve(r); code != http.StatusOK {
		s.t.Fatalf("%d %s", code, body)
	}
}

func (s *stage) serve(r *http.Request) (int, string) {
	w := httptest.NewRecorder()
	s.host.Hooks().ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func (s *stage) wait(d time.Duration) {
	time.Sleep(d) // virtual
	synctest.Wait()
}

// asks are the titles and payloads of what a person was asked.
func (s *stage) asks() string {
	all := []string{}
	for _, a := range s.g.Asks() {
		all = append(all, a.PSID+" "+a.Title+" "+a.Payload)
	}
	return strings.Join(all, "\n")
}

func (s *stage) stock(n int64) {
	s.t.Helper()
	item := otn.Item{ID: "DJ-S", Known: otn.FactTitle | otn.FactStock, Title: "Dock Jacket", Stock: n}
	if _, err := s.host.Observe(s.t.Context(), otn.Observation{Item: &item}); err != nil {
		s.t.Fatal(err)
	}
	s.wait(time.Second)
}

// A bot that exists uses otn from its JSON block: ask, tap, and one message when the item is back.
func TestABotUsesOtn(t *testing.T) {
	onStage(t, func(s *stage) {
		s.stock(0)
		body := string(fixture(s.t, "chatfuel/otn_block.full.json"))
		target := "/hooks/shop/chatfuel?messenger%20user%20id=" + anna
		r := httptest.NewRequest(http.MethodPost, target, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+botWord)
		if code, said := s.serve(r); code != http.StatusOK || !strings.Contains(said, `"otn_ask":"wanted"`) {
			s.t.Fatalf("%d %s", code, said)
		}
		s.wait(time.Minute)
		if got := s.asks(); got != "" {
			s.t.Fatalf("asked while no window is open: %s", got)
		}
		s.hook(s.g.Text(anna, "hello")) // the webhook comes behind the bot's call
		s.wait(time.Second)
		want := anna + " Dock Jacket in S is back notify.back-in-stock.DJ-S?block_id=5f1c2ab49d3e7a0012c4d8ef"
		if got := s.asks(); got != want {
			s.t.Fatalf("asked %q, want %q", got, want)
		}
		ask := s.g.Asks()[0]
		tap := s.g.ConsentOn(ask.Page, ask.PSID, ask.Payload)
		s.hook(tap)
		list, _, err := s.host.Consents(core.ConsentQuery{Channel: "shop", Subscriber: anna})
		if err != nil || len(list) != 1 || list[0].Topic != "back-in-stock" || list[0].Subject != "DJ-S" || list[0].Answers["block_id"] != "5f1c2ab49d3e7a0012c4d8ef" {
			s.t.Fatalf("%+v %v", list, err)
		}
		s.stock(3)
		if got := s.g.Delivered(tap.Token); len(got) != 1 || got[0].Text != "Dock Jacket is back" {
			s.t.Errorf("delivered %+v", got)
		}
	})
}

// A link that is put beside an item leads to the ask for that item, in its long and in its short form.
func TestALinkLeadsToTheAsk(t *testing.T) {
	onStage(t, func(s *stage) {
		s.stock(0)
		for n, short := range []bool{false, true} {
			person := anna + string(rune('0'+n))
			v, err := s.host.Link(s.t.Context(), core.LinkRequest{Channel: "shop", Topic: "back-in-stock", Subject: "DJ-S", Short: short})
			if err != nil || !strings.HasPrefix(v.URL, "https://m.me/"+testPage+"?ref=") || otn.IsShortRef(v.Ref) != short {
				s.t.Fatalf("%+v %v", v, err)
			}
			s.hook(s.g.Link(person, v.Ref))
			s.wait(time.Second)
			if got, want := s.asks(), person+" Dock Jacket is back? notify.back-in-stock.DJ-S"; !strings.HasSuffix(got, want) || len(s.g.Asks()) != n+1 {
				s.t.Errorf("asked %q, want %q", got, want)
			}
		}
	})
}
