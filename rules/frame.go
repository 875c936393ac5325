// What one evaluation sees: the facts of one moment and one consent.

package rules

import (
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// maxFuel is how many steps of loops one evaluation may take.
const maxFuel = 10_000

// frame is the facts behind the names of an expression. It belongs to one goroutine and is used again and again.
type frame struct {
	at        time.Time
	now, was  otn.Snapshot
	firstSeen bool
	trigger   *otn.Trigger
	consent   *otn.Consent  // nil where there is none yet
	asked     *otn.AskFacts // of somebody who may be asked
	zones     zones

	fuel int
	elem [maxLoops]value // the elements of the loops that are running
	el   value           // the item of a gallery's card
}

// eval decides one expression from full fuel.
func (f *frame) eval(run func(*frame) value) value {
	f.fuel = maxFuel
	return run(f)
}

// burn takes steps of fuel and reports whether there were enough.
func (f *frame) burn(steps int) bool {
	f.fuel -= steps
	return f.fuel >= 0
}

var outOfFuel = value{k: failed, s: "the expression costs too much with these facts"}

// low is the lower of the price at the consent and the lowest since, before this event where there is a before.
func (f *frame) low(path string) value {
	then, before := f.consent.PriceThen, f.was.Item
	if before == nil {
		before = f.now.Item
	}
	if before == nil {
		return priceThen(f.consent, path)
	}
	since, known := before.LowSince(f.consent.GrantedAt)
	switch {
	case !known && then.IsZero():
		return notKnown(path)
	case !known:
		return moneyValue(then)
	case then.IsZero():
		return moneyValue(since)
	}
	order, err := then.Compare(since)
	if err != nil {
		return failure(mixed("compare", moneyValue(then), moneyValue(since)))
	}
	if order < 0 {
		return moneyValue(then)
	}
	return moneyValue(since)
}

func priceThen(c *otn.Consent, path string) value {
	if c.PriceThen.IsZero() {
		return notKnown(path)
	}
	return moneyValue(c.PriceThen)
}
