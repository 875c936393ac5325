// What is on disk of a rule's state, for whoever explains it.

package dispatch

import "github.com/onetimenotify/otn/core/otn"

// Last is what a rule knew when it last decided about a subject, and whether it has.
func (d *Dispatch) Last(rule string, s otn.Subject) (last otn.Last, ok bool, err error) {
	doc, ok, err := d.Ledger.Doc(lastKey(rule, s))
	if err != nil || !ok {
		return last, false, err
	}
	return last, true, decode(doc.Value, &last)
}
