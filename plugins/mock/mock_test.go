// The mock keeps its own promises: the script in order, single use over restarts, and a file that never shows a token.

package mock_test

import (
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/channel"
	"github.com/onetimenotify/otn/plugins/channeltest"
	"github.com/onetimenotify/otn/plugins/mock"
)

func open(t testing.TB, c mock.Config) *mock.Mock {
	t.Helper()
	m, err := mock.New(c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m
}

func delivery(secret, text string) otn.Delivery {
	d := otn.Delivery{Channel: "shop", Token: otn.NewToken("page", secret), Subscriber: otn.Subscriber{ID: "222"}, Message: otn.Message{Text: text}, Attempt: 1}
	copy(d.ID[:], secret)
	return d
}

func TestSuite(t *testing.T) {
	channeltest.Run(t, func(t testing.TB) channeltest.Channel {
		i, err := mock.Plugin.Open(t.Context(), []byte(`{"max_message":1000000}`), channel.Setup{Instance: "shop"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = i.Close() })
		return i
	})
}

func TestScriptIsReadInOrderAndUsedUp(t *testing.T) {
	m := open(t, mock.Config{Script: []mock.Step{
		{Do: mock.Throttle, Times: 2, After: channel.Duration(time.Minute)},
		{Do: mock.Refuse, Match: "coat"},
		{Do: mock.Fail, Match: "333"},
	}})
	for n, c := range []struct {
		who, text string
		want      otn.Outcome
	}{
		{"222", "hat", otn.Deferred}, {"333", "coat", otn.Deferred}, {"333", "a coat", otn.Refused}, {"222", "hat", otn.Sent}, {"333", "hat", otn.Unknown},
	} {
		d := delivery(string(rune('a'+n)), "")
		d.Subscriber.ID, d.Message = c.who, otn.Message{Card: &otn.Card{Title: "New", Subtitle: c.text}}
		_, err := m.Send(t.Context(), d)
		if outcome, se := otn.OutcomeOf(err); outcome != c.want || outcome == otn.Deferred && se.After != time.Minute {
			t.Errorf("delivery %d: %v, want %s", n, err, c.want)
		}
	}
	if got := m.Deliveries(); len(got) != 1 || got[0].Message.Card.Subtitle != "hat" {
		t.Errorf("accepted %+v", got)
	}
}

func TestSingleUseHoldsOverRestarts(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out.jsonl")
	c := mock.Config{Out: out, SingleUseToken: true}
	first := open(t, c)
	if _, err := first.Send(t.Context(), delivery("s3cret", "one")); err != nil {
		t.Fatal(err)
	}
	for name, m := range map[string]*mock.Mock{"the same": first, "the next": open(t, c)} {
		_, err := m.Send(t.Context(), delivery("s3cret", "two"))
		if outcome, se := otn.OutcomeOf(err); outcome != otn.Refused || se.Code != "used" || !errors.Is(err, otn.ErrSpent) {
			t.Errorf("%s mock: %v", name, err)
		}
	}
	text, err := os.ReadFile(out)
	if err != nil || strings.Contains(string(text), "s3cret") {
		t.Errorf("the file shows the token, %v", err)
	}
	lines, err := mock.ReadFile(out)
	if err != nil || len(lines) != 1 || lines[0].Message.Text != "one" || lines[0].Subscriber != "222" || lines[0].Token != otn.NewToken("page", "s3cret").ID() {
		t.Errorf("the file says %+v, %v", lines, err)
	}
}

// A line that a kill cut off was not accepted; one that is no JSON is somebody else's file.
func TestReadFile(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out.jsonl")
	m := open(t, mock.Config{Out: out})
	if _, err := m.Send(t.Context(), delivery("a", "one")); err != nil {
		t.Fatal(err)
	}
	for tail, want := range map[string]bool{`{"cut`: true, "foreign\n": false} {
		text, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		other := filepath.Join(t.TempDir(), "out.jsonl")
		if err := os.WriteFile(other, append(text, tail...), 0o600); err != nil {
			t.Fatal(err)
		}
		if lines, err := mock.ReadFile(other); len(lines) != 1 || (err == nil) != want {
			t.Errorf("with %q behind it: %d lines, %v", tail, len(lines), err)
		}
	}
	if _, err := mock.New(mock.Config{Out: t.TempDir()}, nil); !errors.Is(err, otn.ErrInvalid) {
		t.Errorf("a folder as file: %v", err)
	}
}

// A reply is taken as often as it comes, in the same file as the messages, and shows no token.
func TestRepliesSpendNothing(t *testing.T) {
	c := mock.Config{Out: filepath.Join(t.TempDir(), "out.jsonl"), SingleUseToken: true}
	reply := delivery("x", "We will tell you once.")
	reply.Token, reply.Reply = otn.Token{}, true
	for range 2 {
		m := open(t, c)
		for range 2 {
			if _, err := m.Send(t.Context(), reply); err != nil {
				t.Fatal(err)
			}
		}
	}
	text, err := os.ReadFile(c.Out)
	if err != nil || strings.Count(string(text), "We will tell you once.") != 4 || strings.Contains(string(text), "token") {
		t.Errorf("%s, %v", text, err)
	}
}

func TestStdoutIsTheLog(t *testing.T) {
	var log strings.Builder
	m, err := mock.New(mock.Config{Out: "stdout"}, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Send(t.Context(), delivery("s3cret", "It is back.")); err != nil || !strings.Contains(log.String(), `text="It is back."`) || strings.Contains(log.String(), "s3cret") {
		t.Errorf("the log says %s, %v", log.String(), err)
	}
}

func TestHook(t *testing.T) {
	m := open(t, mock.Config{Secret: otn.NewSecret("s3cret"), Account: "page"})
	at := time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)
	grant := `{"recipient":"222","topic":"restock","subject":"SKU-1","token":"t1","answers":{"size":"M","colour":"red"}}`
	for name, c := range map[string]struct {
		method, secret, body string
		want, records        int
	}{
		"a consent":      {"POST", "s3cret", grant, 200, 1},
		"two":            {"POST", "s3cret", "[" + grant + "," + grant + "]", 200, 2},
		"no secret":      {"POST", "", grant, 401, 0},
		"another secret": {"POST", "s3cret2", grant, 401, 0},
		"a GET":          {"GET", "s3cret", "", 405, 0},
		"no token":       {"POST", "s3cret", `{"recipient":"222"}`, 400, 0},
		"a typing error": {"POST", "s3cret", `{"recipient":"222","token":"t","tpoic":"x"}`, 400, 0},
		"nothing":        {"POST", "s3cret", ``, 400, 0},
		"no such event":  {"POST", "s3cret", `{"recipient":"222","event":"sings"}`, 400, 0},
		"nobody's event": {"POST", "s3cret", `{"event":"writes"}`, 400, 0},
	} {
		resp, records, err := m.Receive(t.Context(), otn.Request{Method: c.method, Header: http.Header{"Authorization": {"Bearer " + c.secret}}, Body: []byte(c.body), At: at})
		if err != nil || resp.Status != c.want || len(records) != c.records {
			t.Errorf("%s: %d with %d records, %v", name, resp.Status, len(records), err)
		}
		for _, r := range records {
			g := r.Consent
			if r.Key != records[0].Key || g.Token.ID() != otn.NewToken("page", "t1").ID() || g.Subscriber.ID != "222" || g.Topic != "restock" ||
				g.Subject != "SKU-1" || !g.GrantedAt.Equal(at) || len(g.Answers) != 2 || g.Answers[0].Name != "colour" || g.Answers[1].Value.Text() != "M" {
				t.Errorf("%s: %+v", name, g)
			}
		}
	}
}

// What a person does: they write, perhaps through a link; they stop, and take it back.
func TestHookEvents(t *testing.T) {
	m := open(t, mock.Config{})
	at := time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)
	body := `[{"recipient":"222","event":"writes","ref":"notify.news"},{"recipient":"222","event":"stops","topic":"news"},{"recipient":"222","event":"resumes"}]`
	resp, records, err := m.Receive(t.Context(), otn.Request{Method: "POST", Body: []byte(body), At: at})
	if err != nil || resp.Status != 200 || len(records) != 4 {
		t.Fatalf("%d, %d records, %v", resp.Status, len(records), err)
	}
	w, r, stop, resume := records[0].Window, records[1].Referral, records[2].Stop, records[3].Stop
	switch {
	case w == nil || w.Subscriber.ID != "222" || !w.Until.Equal(at.Add(otn.WindowLength)) || !records[0].At.Equal(at):
		t.Errorf("the window is %+v", records[0])
	case r == nil || r.Subscriber.ID != "222" || r.Ref != "notify.news":
		t.Errorf("the referral is %+v", records[1])
	case stop == nil || stop.Topic != "news" || stop.Resume || resume == nil || resume.Topic != "" || !resume.Resume:
		t.Errorf("the stops are %+v, %+v", stop, resume)
	}
}

func TestAsksAreKept(t *testing.T) {
	m := open(t, mock.Config{})
	if r, err := m.Ask(t.Context(), otn.Ask{ID: "7", Title: "Tell you?"}); err != nil || r.ProviderID != "ask.7" || len(m.Asks()) != 1 || m.Asks()[0].Title != "Tell you?" {
		t.Errorf("%v, %v", r, err)
	}
}
