// Where a bot goes on after the tap: the block that its ask named, sent for through the bot platform's Broadcasting API.

package messenger

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/channel"
)

// DefaultChatfuelURL is where Chatfuel's Broadcasting API is. Source: Chatfuel help, Broadcasting API.
const DefaultChatfuelURL = "https://api.chatfuel.com"

// broadcastRate is how many broadcasts a second the API takes for one bot. Source: Chatfuel help, Broadcasting API.
const broadcastRate = 25

// blockPrefix marks what this channel does after a consent, so that the word can have other meanings later.
const blockPrefix = "block:"

// broadcastCode is the code of what the Broadcasting API refused.
const broadcastCode = "chatfuel_refused"

var botShape = regexp.MustCompile(`^[0-9A-Za-z_-]{1,64}$`)

// Broadcast is a bot's door for being sent on.
type Broadcast struct {
	Bot   string     `json:"bot" yaml:"bot" doc:"The bot's id at Chatfuel."`
	Token otn.Secret `json:"token" yaml:"token" doc:"The bot's Broadcasting API token."`
	URL   string     `json:"url,omitempty" yaml:"url,omitempty" default:"https://api.chatfuel.com" doc:"The Broadcasting API: https, or http to this machine."`
}

// faults is all that is wrong with b.
func (b *Broadcast) faults() []error {
	if b == nil {
		return nil
	}
	var all []error
	if !botShape.MatchString(b.Bot) {
		all = append(all, channel.Fault("chatfuel.broadcast.bot", "is not a bot's id: want letters and digits"))
	}
	if err := checkSecret("chatfuel.broadcast.token", b.Token, true); err != nil {
		all = append(all, err)
	}
	if b.URL != "" {
		if err := checkAddress("chatfuel.broadcast.url", b.URL, DefaultChatfuelURL); err != nil {
			all = append(all, err)
		}
	}
	return all
}

// broadcasts reports whether people are sent on to a block after their tap.
func (c *Config) broadcasts() bool { return c.Chatfuel != nil && c.Chatfuel.Broadcast != nil }

// blockOf is the block that a payload names, "" where it names none.
func blockOf(payload string) string {
	_, query, _ := strings.Cut(payload, "?")
	given, err := url.ParseQuery(query)
	if block := given.Get(nameBlock); err == nil && blockShape.MatchString(block) {
		return block
	}
	return ""
}

// withoutBlock takes the block out of a ref that anybody could have typed: only the bot says where it goes on.
func withoutBlock(ref string) string {
	if blockOf(ref) == "" {
		return ref
	}
	if long, ok := otn.ParseRef(ref); ok {
		delete(long.Answers, nameBlock)
		return otn.FormatRef(long)
	}
	before, _, _ := strings.Cut(ref, "?")
	return before
}

// goOn has the bot go on with a block, in the window that the person's last word opened. It sends no message tag, ever.
func (m *Messenger) goOn(ctx context.Context, d *otn.Delivery) *otn.SendError {
	block, ok := strings.CutPrefix(d.Follow, blockPrefix)
	switch {
	case !m.config.broadcasts():
		return invalid("no_broadcast", errors.New("chatfuel.broadcast is not configured"))
	case !ok || !blockShape.MatchString(block):
		return invalid("block", errors.New("no block of a bot"))
	case !personShape.MatchString(d.Subscriber.ID):
		return invalid("recipient", errors.New("the subscriber is not known by an id that the bot knows"))
	}
	pause, ok := m.broadcasts.enter(m.now(), broadcastRate)
	if !ok {
		return deferred("bot_limit", pause, fmt.Errorf("a bot is sent on %d times a second at the most", broadcastRate))
	}
	if err := rest(ctx, pause); err != nil {
		return deferred(notSent, 0, err)
	}
	b := m.config.Chatfuel.Broadcast
	query := url.Values{"chatfuel_token": {b.Token.Reveal()}, "chatfuel_block_id": {block}}
	at := orElse(strings.TrimRight(b.URL, "/"), DefaultChatfuelURL) + "/bots/" + b.Bot + "/users/" + d.Subscriber.ID + "/send?" + query.Encode()
	fault := judgeBroadcast(m.postEmpty(ctx, at))
	if fault != nil {
		fault.Err = m.censor(fault.Err, []string{b.Token.Reveal(), d.Subscriber.ID})
	}
	return fault
}

// postEmpty makes one call whose words are all in its address. No error of it holds that.
func (m *Messenger) postEmpty(ctx context.Context, at string) answer {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(m.config.Timeout))
	defer cancel()
	var t trail
	req, err := http.NewRequestWithContext(t.follow(ctx), http.MethodPost, at, bytes.NewReader(nil))
	if err != nil {
		return answer{err: errors.New("chatfuel.broadcast.url makes no request")}
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "otn/"+Version)
	return m.do(req, &t)
}

// broadcastAnswer is an answer of the Broadcasting API.
type broadcastAnswer struct {
	Success *bool  `json:"success"`
	Result  string `json:"result"`
}

// judgeBroadcast says what became of a broadcast, nil when it was taken. Whatever is no clear word is Unknown: it is never tried again.
func judgeBroadcast(a answer) *otn.SendError {
	var said broadcastAnswer
	clear := a.err == nil && json.Unmarshal(a.body, &said) == nil && said.Success != nil
	switch {
	case a.err != nil && !a.left:
		return deferred(notSent, 0, a.err)
	case a.err != nil:
		return &otn.SendError{Code: "lost", Err: a.err}
	case a.status == http.StatusTooManyRequests:
		return deferred("bot_limit", retryAfter(a.header), errors.New("the bot platform wants fewer calls"))
	case clear && *said.Success && a.status/100 == 2:
		return nil
	case clear && !*said.Success:
		return invalid(broadcastCode, fmt.Errorf("the bot platform says %q", clean(said.Result, 200)))
	case a.status/100 == 3, a.status/100 == 4 && a.status != http.StatusRequestTimeout:
		return invalid(broadcastCode, fmt.Errorf("the bot platform answers %d", a.status))
	}
	return &otn.SendError{Code: "lost", Err: fmt.Errorf("the bot platform answers %d without a clear word", a.status)}
}
