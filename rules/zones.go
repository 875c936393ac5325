// Time zones by name, read once each.

package rules

import "time"

// zones remembers the zones that one page met.
type zones map[string]*time.Location

// find knows IANA names and UTC, and never the zone of this machine.
func (z zones) find(name string) (*time.Location, bool) {
	if l, ok := z[name]; ok {
		return l, l != nil
	}
	if name == "" || name == "Local" || len(name) > 64 {
		return nil, false
	}
	l, err := time.LoadLocation(name)
	if err != nil {
		l = nil
	}
	if z != nil && len(z) < 1024 {
		z[name] = l
	}
	return l, l != nil
}
