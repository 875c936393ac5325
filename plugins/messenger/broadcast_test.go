// Where a bot goes on after the tap: to the block that its ask named, once, and never because of what a stranger typed.

package messenger

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/messenger/graphtest"
)

const (
	blockID    = "5f1c2ab49d3e7a0012c4d8ef"
	broadToken = "broadcast-token-canary"
)

// sendsOn has the page send people on, through the API at address.
func sendsOn(address string) func(*Config) {
	return func(c *Config) {
		c.Chatfuel.Broadcast = &Broadcast{Bot: "bot-7", Token: otn.NewSecret(broadToken), URL: address}
	}
}

func followed(block string) otn.Delivery {
	return otn.Delivery{Channel: "shop", Reply: true, Follow: blockPrefix + block, Subscriber: otn.Subscriber{ID: anna}, Attempt: 1}
}

// The call is the one that the platform documents, without a message tag, and its answers mean what the fixtures say.
func TestBroadcast(t *testing.T) {
	var got *http.Request
	answer := "broadcast_response.ok"
	bot := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		_, _ = w.Write(fixture(t, "chatfuel/"+answer+".json"))
	}))
	defer bot.Close()
	m := botPage(t, sendsOn(bot.URL+"/"))
	if _, err := m.Send(t.Context(), followed(blockID)); err != nil {
		t.Fatal(err)
	}
	if got.Method != http.MethodPost || got.URL.Path != "/bots/bot-7/users/"+anna+"/send" || got.URL.RawQuery != "chatfuel_block_id="+blockID+"&chatfuel_token="+broadToken {
		t.Errorf("%s %s", got.Method, got.URL)
	}
	answer = "broadcast_response.fail"
	_, err := m.Send(t.Context(), followed(blockID))
	wants(t, err, otn.Invalid, otn.MessageScope, "chatfuel_refused")
	if !strings.Contains(err.Error(), `"no such block"`) {
		t.Errorf("it says %v", err)
	}
}

// Only a clear word ends it; whatever may have been done is unknown, and no error tells the token.
func TestBroadcastAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		serve   func(http.ResponseWriter)
		outcome otn.Outcome
		code    string
	}{
		"no JSON":        {func(w http.ResponseWriter) { _, _ = w.Write([]byte("<html>")) }, otn.Unknown, "lost"},
		"no word":        {func(w http.ResponseWriter) { _, _ = w.Write([]byte("{}")) }, otn.Unknown, "lost"},
		"500":            {func(w http.ResponseWriter) { w.WriteHeader(500) }, otn.Unknown, "lost"},
		"500 with a yes": {func(w http.ResponseWriter) { w.WriteHeader(500); _, _ = w.Write([]byte(`{"success":true}`)) }, otn.Unknown, "lost"},
		"408":            {func(w http.ResponseWriter) { w.WriteHeader(408) }, otn.Unknown, "lost"},
		"401":            {func(w http.ResponseWriter) { w.WriteHeader(401) }, otn.Invalid, "chatfuel_refused"},
		"a redirect":     {func(w http.ResponseWriter) { w.Header().Set("Location", "/elsewhere"); w.WriteHeader(307) }, otn.Invalid, "chatfuel_refused"},
		"too fast":       {func(w http.ResponseWriter) { w.Header().Set("Retry-After", "7"); w.WriteHeader(429) }, otn.Deferred, "bot_limit"},
		"hangs up":       {func(http.ResponseWriter) { panic(http.ErrAbortHandler) }, otn.Unknown, "lost"},
		"400 with a word": {func(w http.ResponseWriter) {
			w.WriteHeader(400)
			_, _ = w.Write([]byte(`{"success":false,"result":"` + broadToken + ` is wrong"}`))
		}, otn.Invalid, "chatfuel_refused"},
	} {
		t.Run(name, func(t *testing.T) {
			var calls atomic.Int64
			bot := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { calls.Add(1); c.serve(w) }))
			defer bot.Close()
			_, err := botPage(t, sendsOn(bot.URL)).Send(t.Context(), followed(blockID))
			outcome, se := otn.OutcomeOf(err)
			if outcome != c.outcome || se == nil || se.Code != c.code || calls.Load() != 1 || strings.Contains(err.Error(), broadToken) {
				t.Errorf("%d calls, %s: %v", calls.Load(), outcome, err)
			}
			if c.code == "bot_limit" && se.After != 7*time.Second {
				t.Errorf("it waits %s", se.After)
			}
		})
	}
	nobody := httptest.NewServer(nil)
	nobody.Close()
	_, err := botPage(t, sendsOn(nobody.URL)).Send(t.Context(), followed(blockID))
	if outcome, se := otn.OutcomeOf(err); outcome != otn.Deferred || se.Code != notSent || strings.Contains(err.Error(), broadToken) {
		t.Errorf("nobody listens: %v", err)
	}
}

// What makes no sense is not called for, and a bot is not sent on faster than its platform takes.
func TestBroadcastThatCannotBe(t *testing.T) {
	bot := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { t.Error("it was called") }))
	defer bot.Close()
	m := botPage(t, sendsOn(bot.URL))
	stranger := followed(blockID)
	stranger.Subscriber.ID = "token:abc"
	odd := followed(blockID)
	odd.Follow = "elsewhere"
	for want, d := range map[string]otn.Delivery{"recipient": stranger, "block": odd} {
		_, err := m.Send(t.Context(), d)
		wants(t, err, otn.Invalid, otn.MessageScope, want)
	}
	_, err := botPage(t).Send(t.Context(), followed(blockID))
	wants(t, err, otn.Invalid, otn.MessageScope, "no_broadcast")
	for range 51 {
		m.broadcasts.enter(m.now(), broadcastRate)
	}
	_, err = m.Send(t.Context(), followed(blockID))
	if wait := wants(t, err, otn.Deferred, otn.ChannelScope, "bot_limit"); wait < time.Second {
		t.Errorf("it waits %s", wait)
	}
}

func TestBroadcastConfiguration(t *testing.T) {
	for want, b := range map[string]Broadcast{
		"":                         {Bot: "5f1c", Token: otn.NewSecret("t")},
		"chatfuel.broadcast.bot":   {Bot: "a/b", Token: otn.NewSecret("t")},
		"chatfuel.broadcast.token": {Bot: "5f1c"},
		"chatfuel.broadcast.url":   {Bot: "5f1c", Token: otn.NewSecret("t"), URL: "http://api.chatfuel.com"},
	} {
		c := testConfig("")
		c.Chatfuel = &Chatfuel{Secret: otn.NewSecret(botWord), Broadcast: &b}
		if _, err := New(c); (err != nil) != (want != "") || err != nil && (!errors.Is(err, otn.ErrInvalid) || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v", want, err)
		}
	}
}

// asked has the bot's block ask anna, as the fixture says, and gives the tap on it.
func (s *stage) asked() graphtest.Event {
	s.t.Helper()
	s.hook(s.g.Text(anna, "hello"))
	r := httptest.NewRequest(http.MethodPost, "/hooks/shop/chatfuel?messenger%20user%20id="+anna, strings.NewReader(string(fixture(s.t, "chatfuel/otn_block.full.json"))))
	r.Header.Set("Authorization", "Bearer "+botWord)
	if code, said := s.serve(r); code != http.StatusOK {
		s.t.Fatalf("%d %s", code, said)
	}
	s.wait(time.Second)
	ask := s.g.Asks()[0]
	return s.g.ConsentOn(ask.Page, ask.PSID, ask.Payload)
}

const sentOn = "POST /bots/bot-7/users/" + anna + "/send chatfuel_block_id=" + blockID + "&chatfuel_token=" + broadToken

// From the bot's block to the tap, on to the block that it named, once, and in the end the one message.
func TestTheBotGoesOnAfterTheTap(t *testing.T) {
	onStage(t, func(s *stage) {
		s.stock(0)
		tap := s.asked()
		s.hook(tap)
		s.wait(time.Second)
		s.hook(tap) // redelivered
		s.hook(tap, s.g.Text(anna, "thanks"))
		s.wait(24 * time.Hour)
		if got := strings.Join(s.broadcasts, "; "); got != sentOn {
			t.Errorf("sent on by %q, want %q", got, sentOn)
		}
		s.stock(3)
		if got := s.g.Delivered(tap.Token); len(got) != 1 {
			t.Errorf("delivered %+v", got)
		}
	}, sendsOn(""))
}

// Without the setting nobody is sent on; with an answer that is no word nobody is sent on again.
func TestTheBotIsSentOnOnceOrNotAtAll(t *testing.T) {
	onStage(t, func(s *stage) {
		s.hook(s.asked())
		s.wait(time.Hour)
		if len(s.broadcasts) > 0 {
			t.Errorf("sent on by %q", s.broadcasts)
		}
	})
	onStage(t, func(s *stage) {
		s.answer = []byte("busy")
		s.hook(s.asked())
		s.wait(24 * time.Hour)
		if got := strings.Join(s.broadcasts, "; "); got != sentOn {
			t.Errorf("sent on by %q", got)
		}
	}, sendsOn(""))
}

// A link that somebody typed names no block: who follows it is asked, and stays where they are.
func TestALinkNamesNoBlock(t *testing.T) {
	onStage(t, func(s *stage) {
		s.stock(0)
		s.hook(s.g.Link(anna, "notify.back-in-stock.DJ-S?block_id="+blockID))
		s.wait(time.Second)
		asks := s.g.Asks()
		if len(asks) != 1 || asks[0].Payload != "notify.back-in-stock.DJ-S" {
			t.Fatalf("asked %+v", asks)
		}
		s.hook(s.g.ConsentOn(asks[0].Page, asks[0].PSID, asks[0].Payload))
		s.wait(time.Hour)
		list, _, err := s.host.Consents(core.ConsentQuery{Channel: "shop", Subscriber: anna})
		if err != nil || len(list) != 1 || len(s.broadcasts) > 0 {
			t.Errorf("%+v, sent on by %q, %v", list, s.broadcasts, err)
		}
	}, sendsOn(""))
	for ref, want := range map[string]string{
		"notify.t.S?block_id=" + blockID + "&target=9": "notify.t.S?target=9", "any?block_id=" + blockID: "any", "any?block_id=1": "any?block_id=1", "n_abc": "n_abc",
	} {
		if got := withoutBlock(ref); got != want {
			t.Errorf("%s: %s, want %s", ref, got, want)
		}
	}
}
