// After how long a Deferred is tried again.

package messenger

import (
	"net/http"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// wait gives the time after which a Deferred is tried again, and lets the gate know of limits. number is the attempt's.
func (m *Messenger) wait(v *verdict, a *answer, number int, now time.Time) time.Duration {
	switch {
	case v.halve:
		m.gate.halve(now.Add(v.after))
		return v.after
	case v.outcome != otn.Deferred:
		return 0
	case v.after > 0:
		return v.after
	case v.scope == otn.MessageScope:
		return nth(number, time.Minute, 5*time.Minute, 30*time.Minute, 2*time.Hour)
	case v.scope == otn.SubscriberScope:
		return nth(number, 6*time.Hour, day)
	case !v.limit:
		return m.gate.failed(lineBackoff, now)
	}
	after := m.limitWait(a, now)
	m.gate.close(now.Add(after))
	return after
}

// limitWait is what the platform asks for, else a wait that grows.
func (m *Messenger) limitWait(a *answer, now time.Time) time.Duration {
	if asked := readUsage(a.header, m.config.PageID).wait; asked > 0 {
		return asked
	}
	if asked := retryAfter(a.header); asked > 0 {
		return asked
	}
	if a.status == http.StatusTooManyRequests {
		return time.Minute
	}
	return m.gate.failed(limitBackoff, now)
}

// nth gives the wait after the nth attempt; the last one stays.
func nth(n int, waits ...time.Duration) time.Duration {
	return waits[max(0, min(n-1, len(waits)-1))]
}
