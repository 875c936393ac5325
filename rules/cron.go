// The shape of a cron line: five fields or @every. What it means is decided where time is kept.

package rules

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// cronField is one of the five fields.
type cronField struct {
	name  string
	from  int
	to    int
	words []string // names that stand for from, from+1, …
}

func cronFields() []cronField {
	return []cronField{
		{"the minute", 0, 59, nil}, {"the hour", 0, 23, nil}, {"the day of the month", 1, 31, nil},
		{"the month", 1, 12, []string{"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"}},
		{"the day of the week", 0, 6, []string{"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"}},
	}
}

func (s *source) cron(n *node, r *rule) {
	d := decoder{source: s}
	w, ok := d.word(n, "cron")
	if !ok {
		return
	}
	if why := cronFault(w); why != "" {
		s.fault(n.at, codeCron, why, `cron is five fields, minute hour day month weekday, or "@every 5m"; its zone is the file's timezone`)
		return
	}
	r.Cron = w
}

// cronFault says what is wrong with a cron line, or "".
func cronFault(line string) string {
	if every, ok := strings.CutPrefix(line, "@every "); ok {
		d, err := time.ParseDuration(every)
		switch {
		case err != nil:
			return fmt.Sprintf("%q is no duration", every)
		case d < time.Minute:
			return "@every is at least 1m"
		}
		return ""
	}
	got, want := strings.Fields(line), cronFields()
	if len(got) != len(want) {
		return fmt.Sprintf("cron has five fields, and here are %d", len(got))
	}
	for i, f := range want {
		if !f.fits(got[i]) {
			why := fmt.Sprintf("%s cannot be %q: it goes from %d to %d", f.name, got[i], f.from, f.to)
			if i == 4 && strings.Contains(got[i], "7") {
				why += ", Sunday is 0"
			}
			return why
		}
	}
	return ""
}

// fits reads one field: lists of *, a value or a range, each with an optional step.
func (f cronField) fits(s string) bool {
	for _, e := range strings.Split(s, ",") {
		span, step, stepped := strings.Cut(e, "/")
		if n, err := strconv.Atoi(step); stepped && (err != nil || n < 1 || n > f.to) {
			return false
		}
		if span == "*" {
			continue
		}
		low, high, ranged := strings.Cut(span, "-")
		a, ok := f.value(low)
		if !ok {
			return false
		}
		if b, ok := f.value(high); ranged && (!ok || b < a) {
			return false
		}
	}
	return true
}

func (f cronField) value(s string) (int, bool) {
	if i := slices.Index(f.words, strings.ToUpper(s)); i >= 0 {
		return f.from + i, true
	}
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= f.from && n <= f.to && s[0] != '+' && s[0] != '-'
}
