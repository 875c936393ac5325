// How long what has happened is kept.

package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/onetimenotify/otn/core"
)

// retention reads the days of each thing that is kept.
func (l *loader) retention(v any) (r core.Retention) {
	fields, _ := v.(map[string]any)
	for _, f := range []struct {
		name string
		of   func(*core.Retention) *time.Duration
	}{
		{"journal", func(r *core.Retention) *time.Duration { return &r.Journal }},
		{"decisions", func(r *core.Retention) *time.Duration { return &r.Decisions }},
		{"deliveries", func(r *core.Retention) *time.Duration { return &r.Deliveries }},
	} {
		if fields[f.name] == nil {
			continue
		}
		key := "retention." + f.name
		text := fmt.Sprint(fields[f.name])
		days, isDays := strings.CutSuffix(text, "d")
		n, err := strconv.Atoi(days)
		if !isDays || err != nil || n < 1 || n > 36500 {
			l.wrong(key, l.quote(key, text)+" is no number of days", "write days, as in 90d")
			continue
		}
		one := core.Retention{}
		*f.of(&one) = time.Duration(n) * 24 * time.Hour
		if _, err := one.Checked(); err != nil {
			l.wrong(key, l.quote(key, text)+" is too short", "at least 1d; of deliveries 35d, because limits of messages to one person look back at them")
			continue
		}
		*f.of(&r) = *f.of(&one)
	}
	return r
}
