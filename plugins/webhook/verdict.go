// What the receiver's answer means for the message and its token.

package webhook

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// maxWait is how long a receiver may ask otn to wait.
const maxWait = 24 * time.Hour

// verdict reads an answer by its code. A code that does not say that nothing happened is no proof that nothing did: a
// receiver that fails, or a gateway before it, may have passed the message on.
func (w *Webhook) verdict(answer *http.Response) error {
	code := answer.StatusCode
	err := &otn.SendError{Code: strconv.Itoa(code), Err: fmt.Errorf("webhook: %s answers %d %s", w.url.Host, code, http.StatusText(code))}
	after := waitOf(answer.Header.Get("Retry-After"), w.now())
	switch {
	case code >= 200 && code < 300:
		return nil
	case slices.Contains(w.config.RefusedOn, code):
		err.Outcome, err.Scope = otn.Refused, otn.SubscriberScope
	case code == http.StatusTooManyRequests, code == http.StatusServiceUnavailable && after > 0:
		err.Outcome, err.Scope, err.After = otn.Deferred, otn.ChannelScope, after
	case code == http.StatusRequestTimeout, code == http.StatusTooEarly:
		err.Outcome, err.After = otn.Deferred, after
	case code >= 300 && code < 400:
		err.Outcome, err.Scope = otn.Invalid, otn.ChannelScope
		err.Err = fmt.Errorf("%w: no redirect is followed; if the receiver has moved, write that into url", err.Err)
	case code >= 400 && code < 500:
		err.Outcome, err.Scope = otn.Invalid, scopeOf(code)
	default:
		err.Outcome = otn.Unknown
	}
	return err
}

// scopeOf tells a receiver that does not know us, or is not one, from a message that it does not like.
func scopeOf(code int) otn.Scope {
	switch code {
	case http.StatusBadRequest, http.StatusConflict, http.StatusGone, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		return otn.MessageScope
	}
	return otn.ChannelScope
}

// waitOf reads Retry-After, a number of seconds or a moment; 0 is none. Source: RFC 9110, section 10.2.3.
func waitOf(text string, now time.Time) time.Duration {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.Duration(min(max(n, 0), int64(maxWait/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(at.Sub(now), 0), maxWait)
	}
	return 0
}
