// Stock by place: an item's stock is the sum of the parts that are known.

package catalog

import (
	"cmp"
	"slices"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// dropParts takes out what a source told of places as of a moment or earlier, because it now tells the whole. It reports
// whether the source has told places as of later.
func (r *row) dropParts(source string, asOf time.Time) (newer bool) {
	var left []part
	for _, p := range r.Parts {
		if p.Source == source && !p.AsOf.After(asOf) {
			continue
		}
		newer = newer || p.Source == source
		left = append(left, p)
	}
	r.Parts = left
	return newer
}

// takeParts notes the places of an observation that are not older than what is known of them, and reports whether there
// were any.
func (r *row) takeParts(o *otn.Observation, asOf time.Time) (taken bool) {
	whole := r.toldAt(o.Source, otn.FactStock)
	for place, stock := range o.Parts {
		at := slices.IndexFunc(r.Parts, func(p part) bool { return p.Source == o.Source && p.Place == place })
		if asOf.Before(whole) || at >= 0 && r.Parts[at].AsOf.After(asOf) {
			continue
		}
		next := slices.Clone(r.Parts)
		if at >= 0 {
			next = slices.Delete(next, at, at+1)
		}
		r.Parts = append(next, part{o.Source, place, asOf, stock})
		taken = true
	}
	if taken {
		slices.SortFunc(r.Parts, func(a, b part) int {
			return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Place, b.Place))
		})
	}
	return taken
}

// sumParts sets the stock. A place without stock adds nothing; when no place has any, the stock is not known.
func (r *row) sumParts() {
	r.Item.Stock = 0
	r.Item.Known &^= otn.FactStock
	for _, p := range r.Parts {
		if p.Stock != nil {
			r.Item.Stock += *p.Stock
			r.Item.Known |= otn.FactStock
		}
	}
}
