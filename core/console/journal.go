// The journal: everything that was written down, newest first.

package console

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/onetimenotify/otn/core"
)

// journalView is a page of the journal.
type journalView struct {
	Rows  []journalLine
	Next  string
	First bool
}

func (journalView) title() string { return "Journal" }

// journalLine is an entry with its fields as they are told.
type journalLine struct {
	core.JournalRow
	Fields []field
}

// field is a name and a value of an entry's body.
type field struct{ Name, Value string }

func (c *console) journal(v *visit) (any, error) {
	list, next, err := c.host.JournalBefore(v.arg("before"), aPage)
	j := journalView{Next: next, First: v.arg("before") == ""}
	for _, r := range list {
		j.Rows = append(j.Rows, journalLine{r, fields(r.Body)})
	}
	return j, err
}

// fields are the plain values at the top of a body, and below it those one step down; longer ones are cut.
func fields(body json.RawMessage) (list []field) {
	var top map[string]any
	if json.Unmarshal(body, &top) != nil {
		return nil
	}
	for name, v := range top {
		if inner, ok := v.(map[string]any); ok {
			for below, v := range inner {
				list = appendField(list, name+"."+below, v)
			}
			continue
		}
		list = appendField(list, name, v)
	}
	slices.SortFunc(list, func(a, b field) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// longestValue is how many characters of a value are shown.
const longestValue = 80

func appendField(list []field, name string, v any) []field {
	switch v.(type) {
	case nil, map[string]any, []any:
		return list
	}
	said := fmt.Sprint(v)
	if said == "" || strings.HasSuffix(name, ".at") || strings.HasSuffix(name, ".rev") { // the entry has its own moment and number
		return list
	}
	text := []rune(said)
	if len(text) > longestValue {
		text = append(text[:longestValue-1], '…')
	}
	return append(list, field{strings.ToLower(name), string(text)})
}
