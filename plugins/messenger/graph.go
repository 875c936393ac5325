// The Graph API's own JSON: its error, and its answer to a message.

package messenger

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// graphError is the error of an answer. Decide on code and subcode; the text is for people, with one exception (tokenWords).
type graphError struct {
	code, sub           int64 // code 0: missing or not a number
	kind, text, traceID string
}

// Error is the operator's view. The text was cleaned before.
func (e *graphError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "the Graph API says (#%d", e.code)
	if e.sub != bare {
		fmt.Fprintf(&b, "/%d", e.sub)
	}
	fmt.Fprintf(&b, ") %q", e.text)
	if e.traceID != "" {
		fmt.Fprintf(&b, ", trace %s", e.traceID)
	}
	return b.String()
}

// reply is an answer's body: either half may be missing.
type reply struct {
	messageID string
	fault     *graphError
}

// readReply reads a body; anything that is not a JSON object reads as empty.
func readReply(body []byte) reply {
	var raw struct {
		MessageID json.RawMessage `json:"message_id"`
		Error     json.RawMessage `json:"error"`
	}
	if json.Unmarshal(body, &raw) != nil {
		return reply{}
	}
	var r reply
	if json.Unmarshal(raw.MessageID, &r.messageID) != nil {
		r.messageID = ""
	}
	r.fault = readError(raw.Error)
	return r
}

// readError reads the error object, nil when there is none.
func readError(raw json.RawMessage) *graphError {
	if !bytes.HasPrefix(bytes.TrimSpace(raw), []byte("{")) {
		return nil
	}
	var e struct {
		Code    json.RawMessage `json:"code"`
		Sub     json.RawMessage `json:"error_subcode"`
		Type    text            `json:"type"`
		Message text            `json:"message"`
		Trace   text            `json:"fbtrace_id"`
	}
	if json.Unmarshal(raw, &e) != nil {
		return nil
	}
	g := &graphError{kind: clean(string(e.Type), 40), text: clean(string(e.Message), 300), traceID: clean(string(e.Trace), 40)}
	g.code, _ = number(e.Code)
	sub, ok := number(e.Sub)
	g.sub = sub
	if !ok && len(e.Sub) > 0 && string(e.Sub) != "null" {
		g.sub = garbled
	}
	return g
}

// number reads an integer that is written as a number or as text. It is false for anything else.
func number(raw json.RawMessage) (int64, bool) {
	digits := bytes.TrimSpace(raw)
	if inner, ok := bytes.CutPrefix(digits, []byte(`"`)); ok {
		digits = bytes.TrimSuffix(inner, []byte(`"`))
	}
	n, err := strconv.ParseInt(string(digits), 10, 64)
	return n, err == nil
}

// tokenWords reports whether a text says that a notification token is dead: no code of its own is documented for that.
func tokenWords(s string) bool {
	s = strings.ToLower(s)
	if !strings.Contains(s, "notif") || !strings.Contains(s, "token") {
		return false
	}
	for _, word := range strings.FieldsFunc(s, func(r rune) bool { return !unicode.IsLetter(r) }) {
		if word == "invalid" || word == "expired" || word == "used" {
			return true
		}
	}
	return false
}

// clean makes a stranger's text fit for a line of a log: one line, printable, at most limit bytes.
func clean(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, strings.ToValidUTF8(s, "?"))
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "") + "…"
	}
	return s
}
