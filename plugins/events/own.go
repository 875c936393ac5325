// otn's own form: an observation, or a trigger with its fields.

package events

import (
	"encoding/json"
	"errors"
	"fmt"
	"sort"

	"github.com/onetimenotify/otn/core/otn"
)

// trigger is a trigger in otn's own form: {"trigger":"doors_open","fields":{"note":"gate 4"},"subject":"SKU-1"}.
type trigger struct {
	Trigger   string                     `json:"trigger"`
	Fields    map[string]json.RawMessage `json:"fields"`
	Subject   text                       `json:"subject"`
	Channel   string                     `json:"channel"`
	Recipient text                       `json:"recipient"`
}

// own reads a body in otn's own form.
func (e *Events) own(ev event) (otn.Record, error) {
	var is struct {
		Trigger json.RawMessage `json:"trigger"`
	}
	if err := json.Unmarshal(ev.body, &is); err != nil {
		return otn.Record{}, errors.New("no JSON object")
	}
	if is.Trigger == nil {
		o, err := otn.DecodeObservation(ev.body)
		return otn.Record{Observation: &o}, err
	}
	t, err := ownTrigger(ev.body)
	return otn.Record{Trigger: &t}, err
}

func ownTrigger(body []byte) (otn.Trigger, error) {
	var t trigger
	if err := strict(body, &t); err != nil {
		return otn.Trigger{}, fmt.Errorf("trigger: %w", err)
	}
	if t.Trigger == "" {
		return otn.Trigger{}, errors.New("trigger: the name is empty")
	}
	out := otn.Trigger{Name: t.Trigger, Subject: string(t.Subject), Channel: t.Channel, Subscriber: otn.Subscriber{ID: string(t.Recipient)}}
	for name, value := range t.Fields {
		var s text
		if string(value) == "null" {
			continue
		}
		if json.Unmarshal(value, &s) != nil {
			return otn.Trigger{}, fmt.Errorf("trigger: fields.%s: want one value", name)
		}
		out.Fields = append(out.Fields, otn.Named{Name: name, Value: otn.StringValue(string(s))})
	}
	sortNamed(out.Fields)
	return out, nil
}

func sortNamed(list []otn.Named) {
	sort.Slice(list, func(a, b int) bool { return list[a].Name < list[b].Name })
}

// text is any JSON scalar as text: the rules' declaration says what type it has. Numbers keep every digit.
type text string

// UnmarshalJSON reads a scalar.
func (t *text) UnmarshalJSON(b []byte) error {
	switch b[0] {
	case '{', '[':
		return errors.New("want one value")
	case '"':
		return json.Unmarshal(b, (*string)(t))
	case 'n':
		return nil
	}
	*t = text(b)
	return nil
}
