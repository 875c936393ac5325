// What the tests need of the inside: the clock, and a signature by itself.

package webhook

import "time"

// SetClock gives a channel a clock.
func (w *Webhook) SetClock(now func() time.Time) { w.now = now }

// Sign gives the signatures of a message.
func (w *Webhook) Sign(id string, at time.Time, body []byte) string { return w.sign(id, at, body) }
