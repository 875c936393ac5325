// The order of versions: what a source said as of later is never replaced by what it said as of earlier.

package catalog

import (
	"cmp"
	"slices"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// admit notes that source told facts and attrs as of a moment and gives those that it has not told as of later.
func (r *row) admit(source string, asOf time.Time, facts otn.Fact, attrs []string) (otn.Fact, []string) {
	for _, v := range r.Told {
		if v.Source == source && v.AsOf.After(asOf) {
			facts &^= v.Facts
			attrs = without(attrs, v.Attrs)
		}
	}
	next := version{Source: source, AsOf: asOf, Facts: facts, Attrs: attrs}
	told := make([]version, 0, len(r.Told)+1)
	for _, v := range r.Told {
		if v.Source == source && !v.AsOf.After(asOf) {
			v.Facts &^= facts
			v.Attrs = without(v.Attrs, attrs)
			if v.AsOf.Equal(asOf) {
				next.Facts |= v.Facts
				next.Attrs = union(next.Attrs, v.Attrs)
				continue
			}
		}
		if v.Facts != 0 || len(v.Attrs) > 0 {
			told = append(told, v)
		}
	}
	if next.Facts != 0 || len(next.Attrs) > 0 {
		told = append(told, next)
	}
	slices.SortFunc(told, func(a, b version) int {
		return cmp.Or(cmp.Compare(a.Source, b.Source), a.AsOf.Compare(b.AsOf))
	})
	r.Told = told
	return facts, attrs
}

// toldAt is the moment as of which source last told a fact, zero when it never did.
func (r *row) toldAt(source string, f otn.Fact) time.Time {
	for _, v := range r.Told {
		if v.Source == source && v.Facts.Has(f) {
			return v.AsOf
		}
	}
	return time.Time{}
}

// newest is the latest moment as of which source has told anything, or at if that is later.
func (r *row) newest(source string, at time.Time) time.Time {
	for _, v := range r.Told {
		if v.Source == source && v.AsOf.After(at) {
			at = v.AsOf
		}
	}
	for _, p := range r.Parts {
		if p.Source == source && p.AsOf.After(at) {
			at = p.AsOf
		}
	}
	return at
}

// without gives the names of a that are not in b; union gives the names of both, sorted.
func without(a, b []string) []string {
	var left []string
	for _, name := range a {
		if !slices.Contains(b, name) {
			left = append(left, name)
		}
	}
	return left
}

func union(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}
