// A bot's JSON block against its fixtures: what is taken, what is refused, and in which form it is answered.

package messenger

import (
	"encoding/json"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/channel"
)

const botWord = "bot-secret-canary-1"

// botPage is a page that bots may ask through.
func botPage(t testing.TB, change ...func(*Config)) *Messenger {
	t.Helper()
	c := testConfig("")
	c.Chatfuel = &Chatfuel{Secret: otn.NewSecret(botWord), Topics: map[string]string{
		"Restock: Dock Jacket S": "back-in-stock.DJ-S",
		"Winter launch":          "notify.new-collection.winter-26?from=bot",
	}}
	for _, f := range change {
		f(&c)
	}
	m, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m
}

// block is a request as a bot's JSON block makes it: the person and the secret in the query, the rest in the body.
func block(body []byte, query ...string) otn.Request {
	q := url.Values{"messenger user id": {anna}, "secret": {botWord}}
	for n := 0; n+1 < len(query); n += 2 {
		q.Set(query[n], query[n+1])
	}
	return otn.Request{
		Method: http.MethodPost, Path: "/chatfuel", Query: q, Body: body, At: fixtureTime,
		Header: http.Header{"Content-Type": {"application/json"}, "User-Agent": {"Chatfuel"}},
	}
}

// told reads the attributes that a bot is answered with.
func told(t testing.TB, resp otn.Response) map[string]string {
	t.Helper()
	var a jsonAnswer
	if err := json.Unmarshal(resp.Body, &a); err != nil {
		t.Fatalf("%d %q: %v", resp.Status, resp.Body, err)
	}
	return a.Attributes
}

func TestBotBlocks(t *testing.T) {
	m := botPage(t)
	for name, want := range map[string]struct {
		title, ref, fault string
	}{
		"full":         {"Dock Jacket in S is back", "notify.back-in-stock.DJ-S?block_id=5f1c2ab49d3e7a0012c4d8ef", ""},
		"minimal":      {"Winter '26 is here", "notify.new-collection.winter-26?from=bot", ""},
		"title_65":     {strings.Repeat("é", 65), "Limit test", ""},
		"title_66":     {fault: "title has 66 characters, at most 65"},
		"bad_block_id": {fault: "block_id is not the id of a block"},
	} {
		t.Run(name, func(t *testing.T) {
			resp, records := receive(t, m, block(fixture(t, "chatfuel/otn_block."+name+".json")))
			if want.fault != "" {
				if a := told(t, resp); resp.Status != http.StatusBadRequest || len(records) != 0 || a["otn_ask"] != "refused" || !strings.Contains(a["otn_fault"], want.fault) {
					t.Errorf("%d %s, %d records", resp.Status, resp.Body, len(records))
				}
				return
			}
			if resp.Status != http.StatusOK || len(records) != 1 || records[0].Ask == nil {
				t.Fatalf("%d %s, %+v", resp.Status, resp.Body, records)
			}
			if a := records[0].Ask; a.Title != want.title || a.Ref != want.ref || a.Subscriber.ID != anna || !a.NotBefore.IsZero() {
				t.Errorf("wanted %+v", a)
			}
			if a := told(t, resp); a["otn_ask"] != "wanted" || a["otn_fault"] != "" || a["otn_topic"] == "" {
				t.Errorf("told %v", a)
			}
		})
	}
}

// The answer has the form of the JSON API: attributes are texts, and nothing is shown to the person.
func TestBotAnswerIsOfTheJSONAPI(t *testing.T) {
	var form map[string]json.RawMessage
	readFixture(t, "chatfuel/json_api_response.json", &form)
	resp, _ := receive(t, botPage(t), block(fixture(t, "chatfuel/otn_block.full.json")))
	var answer map[string]json.RawMessage
	if err := json.Unmarshal(resp.Body, &answer); err != nil {
		t.Fatal(err)
	}
	for key, v := range answer {
		if known, ok := form[key]; !ok || known[0] != v[0] {
			t.Errorf("%s: %s is not of the form %.40s", key, v, known)
		}
	}
	var attributes, like map[string]string
	if json.Unmarshal(answer["set_attributes"], &attributes) != nil || json.Unmarshal(form["set_attributes"], &like) != nil {
		t.Fatalf("attributes that are no texts: %s", answer["set_attributes"])
	}
	if attributes["otn_topic"] != like["otn_topic"] || string(answer["messages"]) != "[]" {
		t.Errorf("answered %s", resp.Body)
	}
	if h := resp.Header.Get("Content-Type"); !strings.HasPrefix(h, "application/json") {
		t.Errorf("as %s", h)
	}
}

// The same request by GET, as a form, as JSON with everything in it, with a bearer token, with the id as a number.
func TestBotBlocksInEveryForm(t *testing.T) {
	m := botPage(t)
	all := url.Values{"messenger user id": {anna}, "secret": {botWord}, "title": {"Is back?"}, "topic": {"journal"}, "delay": {"23h"}}
	form := block([]byte(all.Encode()))
	form.Query, form.Header = nil, http.Header{"Content-Type": {"application/x-www-form-urlencoded; charset=utf-8"}}
	get := block(nil)
	get.Method, get.Query, get.Header = http.MethodGet, all, nil
	whole := block([]byte(`{"messenger_user_id":` + anna + `,"secret":"` + botWord + `","title":" Is back? ","topic":"journal","delay":"23h","block_id":"","more":{"a":[1]}}`))
	whole.Query = nil
	bearer := block([]byte(`{"title":"Is back?","topic":"journal","delay":"23h"}`), "secret", "")
	bearer.Header.Set("Authorization", "Bearer "+botWord)
	slash := get
	slash.Path = "/chatfuel/"
	want := &otn.Ask{Subscriber: otn.Subscriber{ID: anna}, Title: "Is back?", Ref: "notify.journal", NotBefore: fixtureTime.Add(23 * time.Hour)}
	for name, r := range map[string]otn.Request{"a form": form, "GET": get, "JSON alone": whole, "a bearer token": bearer, "a slash behind": slash} {
		resp, records := receive(t, m, r)
		if resp.Status != http.StatusOK || len(records) != 1 || !reflect.DeepEqual(records[0].Ask, want) {
			t.Errorf("%s: %d %s, %+v", name, resp.Status, resp.Body, records)
		}
	}
}

func TestBotBlocksThatAreRefused(t *testing.T) {
	m := botPage(t)
	good := `{"title":"Is back?","topic":"journal"}`
	for name, c := range map[string]struct {
		r     otn.Request
		fault string
	}{
		"nobody":                 {block([]byte(good), "messenger user id", ""), `"{{messenger user id}}"`},
		"an attribute unfilled":  {block([]byte(good), "messenger user id", "{{messenger user id}}"), "messenger user id is not a person's id"},
		"a checkbox's person":    {block([]byte(good), "messenger user id", "user_ref:1"), "messenger user id is not a person's id"},
		"no title":               {block([]byte(`{"topic":"journal"}`)), "title is empty"},
		"35 emoji":               {block([]byte(`{"title":"` + strings.Repeat("🎟", 35) + `","topic":"journal"}`)), "title is over 65 UTF-16 units"},
		"no topic":               {block([]byte(`{"title":"Is back?"}`)), "topic has 0 bytes"},
		"an endless topic":       {block([]byte(`{"title":"Is back?","topic":"` + strings.Repeat("x", 201) + `"}`)), "topic has 201 bytes"},
		"a subject of nothing":   {block([]byte(`{"title":"Is back?","topic":"Some name","subject":"DJ-S"}`)), "subject wants a topic"},
		"an endless subject":     {block([]byte(`{"title":"Is back?","topic":"journal","subject":"` + strings.Repeat("x", 1000) + `"}`)), "over 1000 bytes"},
		"block of 25":            {block([]byte(good), "block_id", strings.Repeat("a", 25)), "block_id is not the id of a block"},
		"block of other letters": {block([]byte(good), "block_id", strings.Repeat("g", 24)), "block_id is not the id of a block"},
		"a delay of two days":    {block([]byte(good), "delay", "48h"), "delay is no length of time up to 24h"},
		"a delay in words":       {block([]byte(good), "delay", "soon"), "delay is no length of time"},
		"no JSON":                {block([]byte(`title=x`)), "the body is no JSON object"},
		"a list":                 {block([]byte(`[]`)), "the body is no JSON object"},
	} {
		resp, records := receive(t, m, c.r)
		if a := told(t, resp); resp.Status != http.StatusBadRequest || len(records) != 0 || a["otn_ask"] != "refused" || !strings.Contains(a["otn_fault"], c.fault) {
			t.Errorf("%s: %d %s, %d records", name, resp.Status, resp.Body, len(records))
		}
		if strings.Contains(string(resp.Body), botWord) {
			t.Errorf("%s: the answer shows the secret", name)
		}
	}
}

// Strangers learn nothing, and where no secret is configured there is no door.
func TestBotDoor(t *testing.T) {
	m := botPage(t, func(c *Config) { c.Chatfuel.OldSecrets = []otn.Secret{otn.NewSecret("bot-secret-of-yesterday")} })
	good := []byte(`{"title":"Is back?","topic":"journal"}`)
	for word, want := range map[string]int{
		botWord: 200, "bot-secret-of-yesterday": 200, "": 401, "x": 401, botWord + "x": 401, botWord[1:]: 401, testApp: 401, "{{secret}}": 401,
	} {
		resp, records := receive(t, m, block(good, "secret", word))
		if resp.Status != want || (want == 401) != (len(resp.Body) == 0 && len(records) == 0) {
			t.Errorf("%q: %d %q, %d records", word, resp.Status, resp.Body, len(records))
		}
	}
	if resp, records := receive(t, m, block([]byte("no JSON"), "secret", "x")); resp.Status != 401 || len(resp.Body)+len(records) != 0 {
		t.Errorf("a stranger is told what is wrong: %d %s", resp.Status, resp.Body)
	}
	deleted := block(good)
	deleted.Method = http.MethodDelete
	if resp, _ := receive(t, m, deleted); resp.Status != http.StatusMethodNotAllowed {
		t.Errorf("DELETE: %d", resp.Status)
	}
	for _, path := range []string{"/chatfuel/x", "/chatfuel2", "/x/chatfuel"} {
		other := block(good)
		other.Path = path
		if resp, records := receive(t, m, other); resp.Status != http.StatusNotFound || len(records) != 0 {
			t.Errorf("%s: %d", path, resp.Status)
		}
	}
	if resp, records := receive(t, open(t, testConfig("")), block(good)); resp.Status != http.StatusNotFound || len(records) != 0 {
		t.Errorf("without a secret: %d", resp.Status)
	}
}

// What a bot's names stand for.
func TestBotTopics(t *testing.T) {
	c := &Chatfuel{Topics: map[string]string{"Restock": "back-in-stock", "S": "back-in-stock.DJ.S"}}
	for _, try := range []struct{ name, subject, block, want string }{
		{"journal", "", "", "notify.journal"},
		{"back-in-stock", "DJ-S", "", "notify.back-in-stock.DJ-S"},
		{"Restock", "DJ-S", "", "notify.back-in-stock.DJ-S"},
		{"S", "", "", "notify.back-in-stock.DJ.S"},
		{"notify.price-drop.DJ-S?target=99.00+USD", "", "aaaabbbbccccddddeeeeffff", "notify.price-drop.DJ-S?block_id=aaaabbbbccccddddeeeeffff&target=99.00+USD"},
		{"v1.2 is out", "", "", "v1.2 is out"},
		{"v1.2 is out", "", "aaaabbbbccccddddeeeeffff", "v1.2 is out?block_id=aaaabbbbccccddddeeeeffff"},
	} {
		if got, err := c.ref(try.name, try.subject, try.block); err != nil || got != try.want {
			t.Errorf("%q, %q: %q %v, want %q", try.name, try.subject, got, err, try.want)
		}
	}
}

func TestBotConfigFaults(t *testing.T) {
	const page = `{"page_id":"111","page_token":"t","app_secret":"s","chatfuel":`
	for config, want := range map[string]string{
		`{}`:                                  "chatfuel.secret: is required",
		`{"secret":"canary"}`:                 "chatfuel.secret: has fewer than 16 characters",
		`{"secret":"canary canary canary\n"}`: "chatfuel.secret: has a blank or a line break",
		`{"secret":"canary-canary-canary","old_secrets":["canary"]}`:     "chatfuel.old_secrets[0]: has fewer than 16",
		`{"secret":"canary-canary-canary","topics":{"R":"not a topic"}}`: `chatfuel.topics: "R": want the bot's name for it, and TOPIC or TOPIC.SUBJECT`,
		`{"secret":"canary-canary-canary","topcis":{}}`:                  `did you mean "topics"?`,
	} {
		_, err := Plugin.Open(t.Context(), []byte(page+config+`}`), channel.Setup{})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(strings.ReplaceAll(err.Error(), want, ""), "canary") {
			t.Errorf("%s: %v, want %s", config, err, want)
		}
	}
	i, err := Plugin.Open(t.Context(), []byte(page+`{"secret":"canary-canary-canary","topics":{"Restock: all":"back-in-stock"}},"ask_on_link":false}`), channel.Setup{})
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close() //nolint:errcheck // a test's
	if c := i.Unwrap().(*Messenger).config; c.asksOnLink() || c.Chatfuel.Topics["Restock: all"] != "back-in-stock" {
		t.Errorf("read as %+v", c)
	}
}

func FuzzBot(f *testing.F) {
	for _, name := range []string{"full", "minimal", "title_65", "title_66", "bad_block_id"} {
		f.Add(fixture(f, "chatfuel/otn_block."+name+".json"), "")
	}
	f.Add([]byte("title=a&topic=b"), "application/x-www-form-urlencoded")
	m := botPage(f)
	f.Fuzz(func(t *testing.T, body []byte, kind string) {
		r := block(body)
		r.Header.Set("Content-Type", kind)
		resp, records := receive(t, m, r)
		told(t, resp)
		if (resp.Status == http.StatusOK) != (len(records) == 1) {
			t.Fatalf("%d, %d records", resp.Status, len(records))
		}
		if len(records) == 1 {
			if _, err := askBody(records[0].Ask); err != nil {
				t.Fatalf("taken, and cannot be asked: %v", err)
			}
		}
	})
}
