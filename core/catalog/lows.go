// The staircase of lowest prices, from which "the lowest since you asked" is read.

package catalog

import (
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// maxLows is how many steps a staircase has at most.
const maxLows = 64

// lows gives the staircase after the price went from was to price. A step's moment is the last one at which its price is
// known to have held. Steps that a later price undercut are gone; a change of currency starts anew.
func lows(steps []otn.Low, was, price otn.Money, now time.Time) []otn.Low {
	if was == price {
		return steps
	}
	if n := len(steps); n > 0 && steps[n-1].At.After(now) {
		now = steps[n-1].At // a clock that went back does not turn the stairs around
	}
	var next []otn.Low
	for _, l := range steps {
		if l.Price == was {
			l.At = now // it held until this moment
		}
		if price.IsZero() || l.Price.Currency == price.Currency && l.Price.Minor < price.Minor {
			next = append(next, l)
		}
	}
	if !price.IsZero() {
		next = append(next, otn.Low{At: now, Price: price})
	}
	return narrow(next)
}

// narrow takes a step out of a staircase that is too long: the one that is nearest to the step below it, which then counts
// up to the later moment. So an answer can become lower, never higher. The last step, the price now, stays.
func narrow(steps []otn.Low) []otn.Low {
	if len(steps) <= maxLows {
		return steps
	}
	at := 0
	for i := range len(steps) - 2 {
		if steps[i+1].Price.Minor-steps[i].Price.Minor < steps[at+1].Price.Minor-steps[at].Price.Minor {
			at = i
		}
	}
	steps[at].At = steps[at+1].At
	return append(steps[:at+1], steps[at+2:]...)
}
