// Names that somebody may have meant.

package rules

import (
	"fmt"
	"sort"
	"strings"
	"unicode"
)

const (
	maxNames  = 256 // that are compared with a wrong one
	maxListed = 20  // that are shown when none is near
)

// nearest is the name closest to got, at most two edits away, and one in a short name, or "".
func nearest(got string, names []string) string {
	best, at := "", 3
	for _, n := range names[:min(len(names), maxNames)] {
		if strings.EqualFold(n, got) {
			return n
		}
		if d := edits(got, n, at); d < at && d < len([]rune(n)) && 2*d <= len([]rune(got)) {
			best, at = n, d
		}
	}
	return best
}

// didYouMean is a hint with the nearest name, or the list of names when it is short.
func didYouMean(got string, names []string) string {
	if n := nearest(got, names); n != "" {
		return fmt.Sprintf("did you mean %q?", n)
	}
	if len(names) == 0 || len(names) > maxListed {
		return ""
	}
	sorted := append([]string(nil), names...)
	sort.Strings(sorted)
	return "there is " + strings.Join(sorted, ", ")
}

// edits counts insertions, deletions, changes and swaps of neighbours between a and b; limit when there are at least that many.
func edits(a, b string, limit int) int {
	x, y := []rune(a), []rune(b)
	if len(x) > 64 || len(y) > 64 || len(x)-len(y) >= limit || len(y)-len(x) >= limit {
		return limit
	}
	before, row := make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(x); i++ {
		next := make([]int, len(y)+1)
		next[0] = i
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			next[j] = min(row[j]+1, next[j-1]+1, row[j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				next[j] = min(next[j], before[j-2]+1)
			}
		}
		before, row = row, next
	}
	return min(row[len(y)], limit)
}

// combines reports a rune that takes no cell of its own.
func combines(r rune) bool { return unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf) }
