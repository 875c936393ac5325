// A bot's JSON block: a request of a bot platform that a person be asked for consent, in the form of Chatfuel's JSON API.

package messenger

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/channel"
)

// chatfuelPath is where the requests come, below the instance's hook.
const chatfuelPath = "/chatfuel"

// minSecret is the shortest secret that a bot may have, in characters.
const minSecret = 16

// maxName is the longest name of a topic, in bytes.
const maxName = 200

// maxDelay is how long a request may wait: a window is seldom longer.
const maxDelay = 24 * time.Hour

// The names that a request uses. The person's id is an attribute that Chatfuel sends by this name, blanks and all.
const (
	namePerson  = "messenger user id"
	nameAlias   = "messenger_user_id"
	nameSecret  = "secret"
	nameTitle   = "title"
	nameTopic   = "topic"
	nameSubject = "subject"
	nameBlock   = "block_id"
	nameDelay   = "delay"
)

var (
	topicShape  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`)
	blockShape  = regexp.MustCompile(`^[0-9a-fA-F]{24}$`)
	personShape = regexp.MustCompile(`^[0-9]{1,32}$`)
)

// Chatfuel is what bots may ask for.
type Chatfuel struct {
	Secret     otn.Secret        `json:"secret" yaml:"secret" doc:"The word that a bot's JSON block must carry, as the parameter secret or as a bearer token; 16 characters or more."`
	OldSecrets []otn.Secret      `json:"old_secrets,omitempty" yaml:"old_secrets,omitempty" doc:"Secrets that are taken as well while the secret is being changed."`
	Broadcast  *Broadcast        `json:"broadcast,omitempty" yaml:"broadcast,omitempty" doc:"Send people on to the block_id of their ask after the tap. Left out, nobody is sent on."`
	Topics     map[string]string `json:"topics,omitempty" yaml:"topics,omitempty" doc:"What a bot's topics mean here: the bot's name, and TOPIC or TOPIC.SUBJECT. A name that is not here and is no topic's id is asked with, and its consents wait under no topic until you assign one."`
}

// faults is all that is wrong with c.
func (c *Chatfuel) faults() []error {
	if c == nil {
		return nil
	}
	all := []error{botSecret("chatfuel.secret", c.Secret)}
	for i, s := range c.OldSecrets {
		all = append(all, botSecret(fmt.Sprintf("chatfuel.old_secrets[%d]", i), s))
	}
	for name, means := range c.Topics {
		if _, ok := meant(means); !ok || name == "" || len(name) > maxName {
			all = append(all, channel.Fault("chatfuel.topics", "%q: want the bot's name for it, and TOPIC or TOPIC.SUBJECT as in back-in-stock.SKU-1", clean(name, 40)))
		}
	}
	return append(all, c.Broadcast.faults()...)
}

func botSecret(path string, s otn.Secret) error {
	if err := checkSecret(path, s, true); err != nil {
		return err
	}
	if len(s.Reveal()) < minSecret {
		return channel.Fault(path, "has fewer than %d characters: anybody who guesses it can have your visitors asked", minSecret)
	}
	return nil
}

// meant reads TOPIC, TOPIC.SUBJECT or the whole form of a ref.
func meant(text string) (otn.Ref, bool) {
	if ref, ok := otn.ParseRef(text); ok {
		return ref, topicShape.MatchString(ref.Topic)
	}
	topic, subject, _ := strings.Cut(text, ".")
	return otn.Ref{Topic: topic, Subject: subject}, topicShape.MatchString(topic) && !strings.Contains(subject, "?")
}

// jsonAnswer is an answer in the form of the JSON API. No messages: nothing is shown.
type jsonAnswer struct {
	Attributes map[string]string `json:"set_attributes"`
	Messages   []struct{}        `json:"messages"`
}

// bot takes one request of a bot. It asks nobody: what it yields is an ask that is wanted, which the host writes down
// before the bot is answered and carries out in the person's open window.
func (m *Messenger) bot(r otn.Request) (otn.Response, []otn.Record) {
	if m.config.Chatfuel == nil {
		return respond(http.StatusNotFound, ""), nil
	}
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		refused := respond(http.StatusMethodNotAllowed, "")
		refused.Header.Set("Allow", "GET, POST")
		return refused, nil
	}
	given, err := parameters(r)
	if !m.config.Chatfuel.knows(r.Header, given) {
		return respond(http.StatusUnauthorized, ""), nil
	}
	if err != nil {
		return botAnswer(http.StatusBadRequest, "", err), nil
	}
	at := r.At
	if at.IsZero() {
		at = m.now()
	}
	wanted, err := m.config.Chatfuel.wanted(given, at)
	if err != nil {
		return botAnswer(http.StatusBadRequest, given.Get(nameTopic), err), nil
	}
	return botAnswer(http.StatusOK, given.Get(nameTopic), nil), []otn.Record{{At: at, Ask: wanted}}
}

// knows reports whether the request carries a secret of the configuration. Every one is compared, in constant time.
func (c *Chatfuel) knows(h http.Header, given url.Values) bool {
	word := given.Get(nameSecret)
	if bearer, ok := strings.CutPrefix(h.Get("Authorization"), "Bearer "); ok {
		word = bearer
	}
	found := false
	for _, s := range append([]otn.Secret{c.Secret}, c.OldSecrets...) {
		if same(word, s.Reveal()) {
			found = true
		}
	}
	return found
}

// parameters gathers what a request says: its query, and its body as JSON or as a form. The body comes first.
func parameters(r otn.Request) (url.Values, error) {
	all := url.Values{}
	add := func(name, v string) {
		if name = strings.TrimSpace(name); name == nameAlias {
			name = namePerson
		}
		if v = strings.TrimSpace(v); v != "" && !all.Has(name) {
			all.Set(name, v)
		}
	}
	err := body(r, add)
	for name, v := range r.Query {
		add(name, v[0])
	}
	return all, err
}

// body reads a POST's body, JSON unless it says that it is a form.
func body(r otn.Request, add func(name, v string)) error {
	if r.Method != http.MethodPost || len(r.Body) == 0 {
		return nil
	}
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind == "application/x-www-form-urlencoded" {
		form, err := url.ParseQuery(string(r.Body))
		for name, v := range form {
			add(name, v[0])
		}
		if err != nil {
			return errors.New("the body is no form")
		}
		return nil
	}
	var fields map[string]text
	if json.Unmarshal(r.Body, &fields) != nil {
		return errors.New(`the body is no JSON object: want {"title": …, "topic": …}, or a form that says so in its Content-Type`)
	}
	for name, v := range fields {
		add(name, string(v))
	}
	return nil
}

// wanted makes the ask of what a request says.
func (c *Chatfuel) wanted(given url.Values, at time.Time) (*otn.Ask, error) {
	title, block := given.Get(nameTitle), given.Get(nameBlock)
	delay, err := readDelay(given.Get(nameDelay))
	faults := []error{checkAskTitle(title), err}
	if !personShape.MatchString(given.Get(namePerson)) {
		faults = append(faults, fmt.Errorf("%s is not a person's id, in digits: add it to the block as %q: %q", namePerson, namePerson, "{{"+namePerson+"}}"))
	}
	if block != "" && !blockShape.MatchString(block) {
		faults = append(faults, fmt.Errorf("%s is not the id of a block: want 24 letters of 0-9 and a-f", nameBlock))
	}
	ref, err := c.ref(given.Get(nameTopic), given.Get(nameSubject), block)
	if err := errors.Join(append(faults, err)...); err != nil {
		return nil, err
	}
	ask := &otn.Ask{Subscriber: otn.Subscriber{ID: given.Get(namePerson)}, Title: title, Ref: ref}
	if delay > 0 {
		ask.NotBefore = at.Add(delay)
	}
	return ask, nil
}

func readDelay(s string) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 || d > maxDelay {
		return 0, fmt.Errorf("%s is no length of time up to %s: want the form 23h or 90m", nameDelay, maxDelay)
	}
	return d, nil
}

// ref is what comes back with the tap: the topic and subject that the bot's name stands for, or that name as it is. The
// block goes with it, so that whoever sees the consent knows where the bot wants to go on.
func (c *Chatfuel) ref(name, subject, block string) (string, error) {
	if name == "" || len(name) > maxName {
		return "", fmt.Errorf("%s has %d bytes, want 1 to %d", nameTopic, len(name), maxName)
	}
	ref, known := otn.ParseRef(name)
	if means, mapped := c.Topics[name]; mapped {
		ref, known = meant(means)
	} else if !known && topicShape.MatchString(name) {
		ref, known = otn.Ref{Topic: name}, true
	}
	switch {
	case !known && subject != "":
		return "", fmt.Errorf("%s wants a topic of the rules beside it, by its id or by a name in chatfuel.topics", nameSubject)
	case !known && block != "":
		return name + "?" + nameBlock + "=" + block, nil
	case !known:
		return name, nil
	}
	if subject != "" {
		ref.Subject = subject
	}
	if block != "" {
		answers := map[string]string{nameBlock: block}
		for k, v := range ref.Answers {
			answers[k] = v
		}
		ref.Answers = answers
	}
	text := otn.FormatRef(ref)
	if len(text) > maxPayload {
		return "", fmt.Errorf("%s and %s are over %d bytes together", nameTopic, nameSubject, maxPayload)
	}
	return text, nil
}

// checkAskTitle counts both ways, as code points and as UTF-16 units: which one the platform means is not documented.
func checkAskTitle(title string) error {
	if err := checkText(nameTitle, title, otn.MaxAskTitle); err != nil {
		return err
	}
	if len(utf16.Encode([]rune(title))) > otn.MaxAskTitle {
		return fmt.Errorf("%s is over %d UTF-16 units", nameTitle, otn.MaxAskTitle)
	}
	return nil
}

// botAnswer tells the bot what became of its request, in attributes that its blocks can look at.
func botAnswer(code int, topic string, fault error) otn.Response {
	a := jsonAnswer{Attributes: map[string]string{"otn_ask": "wanted", "otn_fault": ""}, Messages: []struct{}{}}
	if topic != "" {
		a.Attributes["otn_topic"] = clean(topic, maxName)
	}
	if fault != nil {
		a.Attributes["otn_ask"], a.Attributes["otn_fault"] = "refused", clean(fault.Error(), 400)
	}
	r := respond(code, "")
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	out, err := json.Marshal(a)
	if err != nil { // texts alone: JSON holds them
		return respond(http.StatusInternalServerError, "")
	}
	r.Body = out
	return r
}
