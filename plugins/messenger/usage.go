// What the Graph API tells in its headers about how much of its limits is used.

package messenger

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// usage is one reading. The zero usage says nothing.
type usage struct {
	known   bool
	percent int           // of the limit that is nearest
	wait    time.Duration // until calls are let through again, 0: they are
}

// maxWait bounds every wait that a header asks for.
const maxWait = 24 * time.Hour

// throttled reports whether calls are not let through.
func (u usage) throttled() bool { return u.percent >= 100 || u.wait > 0 }

type useCase struct {
	Type    text  `json:"type"`
	Calls   share `json:"call_count"`
	CPU     share `json:"total_cputime"`
	Time    share `json:"total_time"`
	Minutes share `json:"estimated_time_to_regain_access"`
}

func (c *useCase) percent() int { return int(max(c.Calls, c.CPU, c.Time)) }

// readUsage reads the headers of an answer for one page: of the use cases its own and type messenger alone, and the app's.
// A header that cannot be read says nothing. Source: Meta, Graph API rate limits.
func readUsage(h http.Header, page string) (u usage) {
	var cases map[string][]useCase
	if json.Unmarshal([]byte(h.Get("X-Business-Use-Case-Usage")), &cases) == nil {
		for _, c := range cases[page] {
			if c.Type == "messenger" {
				u.known = true
				u.percent = max(u.percent, c.percent())
				u.wait = max(u.wait, min(time.Duration(c.Minutes)*time.Minute, maxWait))
			}
		}
	}
	var app useCase
	if json.Unmarshal([]byte(h.Get("X-App-Usage")), &app) == nil {
		u.known = true
		u.percent = max(u.percent, app.percent())
	}
	return u
}

// share is a per cent or a number of minutes, from 0 to a week's minutes. What cannot be read is 0.
type share int

// UnmarshalJSON never fails. A fraction is cut off.
func (s *share) UnmarshalJSON(b []byte) error {
	whole, _, _ := strings.Cut(strings.Trim(string(b), `"`), ".")
	n, err := strconv.Atoi(whole)
	if err != nil {
		n = 0
	}
	*s = share(max(0, min(n, 7*24*60)))
	return nil
}

// retryAfter reads the header in seconds; 0 when there is none that can be read.
func retryAfter(h http.Header) time.Duration {
	n, err := strconv.Atoi(strings.TrimSpace(h.Get("Retry-After")))
	if err != nil || n < 0 {
		return 0
	}
	return min(time.Duration(min(n, int(maxWait/time.Second)))*time.Second, maxWait)
}
