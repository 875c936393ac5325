// From one event to records: consents, windows, referrals, echoes, notices, notes.

package messenger

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"sort"
	"strings"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// How long a window stays open. Source: Messenger Platform policy.
const (
	window   = 24 * time.Hour
	adWindow = 7 * day // when the person's first message came through an ad
)

// What stands in for a person's id where the platform gives none: such a subscriber can be sent to by token and not asked.
const (
	byUserRef = "user_ref:"
	byTokenID = "token:"
	byHash    = "hash:"
)

// maxID is the longest id of a Subscriber, in bytes.
const maxID = 128

// reader makes the records of one event.
type reader struct {
	*event
	raw  json.RawMessage
	page string // that the event is of
	own  string // the configured one
	at   time.Time

	links   bool // whoever comes through a link is asked
	follows bool // whoever tapped is sent on to the block that the ask named
}

// records gives what the event says; an event that says nothing of use gives a note, receipts give nothing at all.
func (r *reader) records() []otn.Record {
	switch {
	case r.Optin != nil:
		return r.optin()
	case r.Message != nil && (r.Message.Echo || r.Sender.ID != "" && string(r.Sender.ID) == r.page):
		return r.echo()
	case r.Delivery != nil, r.Read != nil, r.Survey != nil:
		return nil // watermarks and survey answers prove nothing of one delivery, and there are many
	case r.page != r.own:
		return []otn.Record{note("other_page", "an event of a page that is not the configured one")}
	case r.Policy != nil:
		return r.policy()
	case r.Pass != nil, r.Take != nil, r.Request != nil, r.Roles != nil:
		return []otn.Record{note("thread_control", "a thread changed its owner")}
	case r.Feedback != nil:
		return []otn.Record{note("response_feedback", "somebody judged an answer of the page")}
	case r.Message == nil && r.Postback == nil && r.Referral == nil && r.Reaction == nil:
		return []otn.Record{note("unknown_event", "an event of a kind that is not known")}
	case r.Sender.ID == "":
		return []otn.Record{note("no_sender", "an event of somebody who is not known yet")}
	}
	return r.interaction()
}

// interaction: the person did something. It opens the window, and may name a topic.
func (r *reader) interaction() []otn.Record {
	switch {
	case r.Message != nil:
		span := window
		if r.Message.Referral.ad() {
			span = adWindow
		}
		out := []otn.Record{r.opened("message", string(r.Message.ID), span)}
		if q := r.Message.QuickReply; q != nil {
			out = r.tapped(out, string(r.Message.ID), q.Payload)
		}
		return r.came(out, string(r.Message.ID), r.Message.Referral)
	case r.Postback != nil:
		out := []otn.Record{r.opened("postback", string(r.Postback.ID), window)}
		out = r.tapped(out, string(r.Postback.ID), r.Postback.Payload)
		return r.came(out, string(r.Postback.ID), r.Postback.Referral)
	case r.Referral != nil && r.Referral.ad(): // the window opens with the message that follows
		return r.came(nil, "", r.Referral)
	case r.Referral != nil:
		return r.came([]otn.Record{r.opened("referral", "", window)}, "", r.Referral)
	case r.Reaction.Action == "unreact":
		return nil
	}
	return []otn.Record{r.opened("reaction", "", window)}
}

// tapped adds a referral when a button or a quick reply carries a ref as otn writes them.
func (r *reader) tapped(out []otn.Record, mid string, payload text) []otn.Record {
	if _, ok := otn.ParseRef(string(payload)); !ok && !otn.IsShortRef(string(payload)) || !r.links {
		return out
	}
	return append(out, r.referred("tap", mid, string(payload)))
}

// came adds a referral when somebody came through a link.
func (r *reader) came(out []otn.Record, mid string, through *referral) []otn.Record {
	if through == nil || through.Ref.blank() || !r.links {
		return out
	}
	ref := string(through.Ref)
	if r.follows {
		ref = withoutBlock(ref)
	}
	return append(out, r.referred("ref", mid, ref))
}

func (r *referral) ad() bool { return r != nil && (r.Source == "ADS" || r.Ad != "") }

// optin: a consent, an entry through a plugin of the shop's site, or another product.
func (r *reader) optin() []otn.Record {
	o := r.Optin
	switch {
	case o.Type == "one_time_notif_req" && o.Token == "":
		return []otn.Record{note("consent_without_token", "a consent that holds no token")}
	case o.Type == "one_time_notif_req":
		return []otn.Record{r.consent()}
	case o.Type == "notification_messages":
		return []otn.Record{recurringNote(o.Change)}
	case o.Type != "":
		return []otn.Record{note("unknown_optin", "an opt-in of a kind that is not known")}
	case r.page != r.own:
		return []otn.Record{note("other_page", "an event of a page that is not the configured one")}
	case r.Sender.ID == "":
		return []otn.Record{note("no_sender", "an opt-in of somebody who is not known yet")}
	}
	return r.came([]otn.Record{r.opened("plugin", "", window)}, "", &referral{Ref: o.Ref})
}

// recurringNote: the recurring product is another one; its tokens are never taken for one-time tokens.
func recurringNote(change text) otn.Record {
	switch change {
	case "STOP NOTIFICATIONS":
		return note("recurring_stop", "somebody stopped recurring notifications, which otn does not send")
	case "RESUME NOTIFICATIONS":
		return note("recurring_resume", "somebody resumed recurring notifications, which otn does not send")
	}
	return note("recurring_consent", "a consent to recurring notifications, which otn does not send")
}

// consent is kept whatever its payload says, and whichever page it is of: nobody sends it again. Its key is the token.
func (r *reader) consent() otn.Record {
	token := otn.NewToken(r.page, string(r.Optin.Token))
	c := &otn.Consent{
		Token:      token,
		Subscriber: otn.Subscriber{ID: r.granter(token)},
		GrantedAt:  r.at,
	}
	if r.Optin.Payload != nil {
		c.Ref = string(*r.Optin.Payload)
	}
	if block := blockOf(c.Ref); block != "" && r.follows && r.page == r.own && personShape.MatchString(string(r.Sender.ID)) {
		c.Follow = blockPrefix + block
	}
	if ref, ok := otn.ParseRef(c.Ref); ok {
		c.Topic, c.Subject = ref.Topic, ref.Subject
		for name, answer := range ref.Answers {
			c.Answers = append(c.Answers, otn.Named{Name: name, Value: otn.StringValue(answer)})
		}
		sort.Slice(c.Answers, func(i, j int) bool { return c.Answers[i].Name < c.Answers[j].Name })
	}
	return otn.Record{Key: "t:" + token.ID().String(), At: r.at, Consent: c}
}

// granter is the sender's id, or what stands in for it: a token can be spent without knowing whose it is.
func (r *reader) granter(token otn.Token) string {
	ref := orElse(string(r.Sender.UserRef), string(r.Optin.UserRef))
	switch {
	case r.Sender.ID != "":
		return bounded(string(r.Sender.ID))
	case ref != "":
		return bounded(byUserRef + ref)
	}
	return byTokenID + token.ID().String()
}

// bounded keeps an id within what a Subscriber may have.
func bounded(id string) string {
	if len(id) > maxID {
		return byHash + digest(id)
	}
	return id
}

// reachable reports whether an id is the platform's own, so that an ask can be addressed to it.
func reachable(id string) bool {
	return id != "" && !strings.HasPrefix(id, byUserRef) && !strings.HasPrefix(id, byTokenID) && !strings.HasPrefix(id, byHash)
}

// echo: the platform shows a message of the page. Ours carry the delivery's id.
func (r *reader) echo() []otn.Record {
	name, ours := strings.CutPrefix(string(r.Message.Metadata), metadataPrefix)
	if !ours {
		return nil
	}
	id, err := otn.ParseDeliveryID(name)
	if err != nil {
		return []otn.Record{note("echo_unreadable", "an echo whose metadata begin like ours and hold no delivery id")}
	}
	mid := string(r.Message.ID)
	return []otn.Record{{
		Key: r.key("echo", mid), At: r.at,
		Echo: &otn.Echo{Kind: otn.Echoed, Delivery: id, ProviderID: mid},
	}}
}

var levels = map[text]otn.NoticeLevel{"warning": otn.Warned, "block": otn.Blocked, "unblock": otn.Unblocked}

func (r *reader) policy() []otn.Record {
	level, ok := levels[r.Policy.Action]
	if !ok {
		return []otn.Record{note("unknown_policy", "a policy event of a kind that is not known")}
	}
	return []otn.Record{{
		Key: r.key("policy", ""), At: r.at,
		Notice: &otn.ChannelNotice{Level: level, Reason: clean(string(r.Policy.Reason), 300)},
	}}
}

func (r *reader) opened(cause, mid string, span time.Duration) otn.Record {
	return otn.Record{
		Key: r.key("window", mid), At: r.at,
		Window: &otn.Window{Subscriber: r.subscriber(), Until: r.at.Add(span), Cause: cause},
	}
}

func (r *reader) referred(kind, mid, ref string) otn.Record {
	return otn.Record{
		Key: r.key(kind, mid), At: r.at,
		Referral: &otn.Referral{Subscriber: r.subscriber(), Ref: ref},
	}
}

func (r *reader) subscriber() otn.Subscriber {
	return otn.Subscriber{ID: bounded(string(r.Sender.ID))}
}

// key is what the same event has in whatever envelope it comes again: its message id, else a hash of all it says.
func (r *reader) key(kind, mid string) string {
	if mid == "" {
		mid = string(canonical(r.raw))
	}
	return kind + ":" + digest(strings.Join([]string{r.page, kind, mid}, "\x00"))
}

// canonical writes JSON with sorted keys, one way to escape, and numbers as they were.
func canonical(raw json.RawMessage) []byte {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return raw
	}
	out, err := json.Marshal(v)
	if err != nil {
		return raw
	}
	return out
}

// digest is 128 bits of SHA-256 in hex.
func digest(s string) string {
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:16])
}
