// The configuration as an operator writes it, and the plugin as a host opens it.

package messenger

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/channel"
	"github.com/onetimenotify/otn/plugins/channeltest"
	"github.com/onetimenotify/otn/plugins/messenger/graphtest"
)

const minimal = `{"page_id":"111","page_token":"canary-1","app_secret":"canary-2"}`

func TestConfigFromJSON(t *testing.T) {
	i, err := Plugin.Open(t.Context(), []byte(minimal), channel.Setup{Instance: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	about, err := i.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	can := about.Capabilities
	if about.Account != "111" || about.Name != "messenger" || !can.Sends || !can.Receives || !can.Asks || can.Polls ||
		!can.SingleUseToken || can.Rate != 36 || can.MaxInFlight != 32 || !can.QuickReply || !can.Carries(otn.GalleryForm) {
		t.Errorf("describes itself as %+v", about)
	}
	m := i.Unwrap().(*Messenger)
	if m.config.GraphURL != DefaultGraphURL || time.Duration(m.config.Timeout) != 20*time.Second || !m.config.resends() {
		t.Errorf("defaults: %+v", m.config)
	}
}

func TestResendIsASwitch(t *testing.T) {
	i, err := Plugin.Open(t.Context(), []byte(minimal[:len(minimal)-1]+`,"resend":false}`), channel.Setup{})
	if err != nil {
		t.Fatal(err)
	}
	if about, err := i.Describe(t.Context()); err != nil || about.Capabilities.SingleUseToken {
		t.Errorf("still relies on single use: %+v, %v", about.Capabilities, err)
	}
}

func TestConfigFaults(t *testing.T) {
	for name, c := range map[string]struct{ config, path string }{
		"nothing":              {`{}`, "page_id"},
		"page is a name":       {`{"page_id":"shop/..","page_token":"canary-1","app_secret":"canary-2"}`, "page_id"},
		"empty secret":         {`{"page_id":"111","page_token":"canary-1","app_secret":""}`, "app_secret"},
		"a line break":         {`{"page_id":"111","page_token":"canary-1\n","app_secret":"canary-2"}`, "page_token"},
		"an empty old secret":  {`{"page_id":"111","page_token":"canary-1","app_secret":"canary-2","old_app_secrets":["canary-3",""]}`, "old_app_secrets[1]"},
		"http to the world":    {`{"page_id":"111","page_token":"canary-1","app_secret":"canary-2","graph_url":"http://graph.facebook.com/v25.0"}`, "graph_url"},
		"a password in it":     {`{"page_id":"111","page_token":"canary-1","app_secret":"canary-2","graph_url":"https://a:canary-4@b/v25.0"}`, "graph_url"},
		"a timeout of nothing": {`{"page_id":"111","page_token":"canary-1","app_secret":"canary-2","timeout":"soon"}`, "timeout"},
		"an unknown key":       {`{"page_id":"111","page_token":"canary-1","app_secret":"canary-2","page_tokn":"x"}`, "page_tokn"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Plugin.Open(t.Context(), []byte(c.config), channel.Setup{})
			var ce *channel.ConfigError
			if !errors.As(err, &ce) || !errors.Is(err, otn.ErrInvalid) {
				t.Fatalf("got %v", err)
			}
			found := false
			for _, d := range ce.Diagnostics {
				found = found || d.Path == c.path
			}
			if !found || strings.Contains(err.Error(), "canary") {
				t.Errorf("no fault of %s, or a secret, in %v", c.path, err)
			}
		})
	}
}

// Everything wrong is told at once, also to who embeds the channel.
func TestNewTellsAllFaults(t *testing.T) {
	_, err := New(Config{GraphURL: "ftp://x", Timeout: -1})
	for _, path := range []string{"page_id", "page_token", "app_secret", "graph_url", "timeout"} {
		if err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s is missing in %v", path, err)
		}
	}
}

func TestSchemaNamesEveryKey(t *testing.T) {
	var schema struct {
		Properties map[string]struct {
			Description string
			WriteOnly   bool
		}
		Required []string
	}
	if err := json.Unmarshal(Plugin.Describe().Schema, &schema); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(schema.Required, " "); got != "page_id page_token app_secret" {
		t.Errorf("required: %s", got)
	}
	for key, p := range schema.Properties {
		if p.Description == "" {
			t.Errorf("%s has no description", key)
		}
		if strings.HasSuffix(key, "_token") && !p.WriteOnly {
			t.Errorf("%s is shown", key)
		}
	}
}

// A configuration that is printed by accident shows no secret.
func TestConfigPrintsNoSecret(t *testing.T) {
	m, err := New(testConfig(""))
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("%v %+v %#v", m.config, m.config, m.config)
	written, err := json.Marshal(m.config)
	if err != nil {
		t.Fatal(err)
	}
	if text += string(written); strings.Contains(text, testToken) || strings.Contains(text, testApp) {
		t.Errorf("shows a secret: %s", text)
	}
}

func TestWhatEveryChannelOwes(t *testing.T) {
	g, err := graphtest.Start(graphtest.Options{AppSecret: testApp, OpenWindows: true, Pages: []graphtest.Page{{ID: testPage, AccessToken: testToken}}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = g.Close() }()
	config := fmt.Sprintf(`{"page_id":%q,"page_token":%q,"app_secret":%q,"graph_url":%q}`, testPage, testToken, testApp, g.URL)
	open := func(tb testing.TB) channeltest.Channel {
		i, err := Plugin.Open(tb.Context(), []byte(config), channel.Setup{Instance: "shop"})
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() { _ = i.Close() })
		return i
	}
	channeltest.Run(t, open, channeltest.Deliver(func(int) otn.Delivery {
		return otn.Delivery{Token: otn.NewToken(testPage, g.Grant(anna, "").Token), Subscriber: otn.Subscriber{ID: anna}, Message: otn.Message{Text: "It is back."}}
	}))
}
