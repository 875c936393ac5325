// A body read by the map: values found, and told in otn's own form.

package events

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/onetimenotify/otn/core/otn"
)

// mapped reads a body by the map.
func (e *Events) mapped(ev event) (otn.Record, error) {
	if len(ev.body) == 0 || ev.body[0] != '{' || !json.Valid(ev.body) {
		return otn.Record{}, errors.New("no JSON object")
	}
	if e.config.Kind == "trigger" {
		t, err := e.mappedTrigger(ev)
		return otn.Record{Trigger: &t}, err
	}
	form := map[string]any{"kind": e.config.Kind}
	attrs := map[string]any{}
	for _, f := range e.fields {
		value, told := ev.find(f.from)
		if !told {
			continue
		}
		name, isAttr := strings.CutPrefix(f.to, "attrs.")
		v, err := ev.convert(f, value)
		switch {
		case errors.Is(err, errEmpty):
			continue
		case err != nil:
			return otn.Record{}, fmt.Errorf("%s from %q: %w", f.to, f.from, err)
		}
		if isAttr {
			attrs[name] = typed(f.convert, v)
			continue
		}
		form[f.to] = v
	}
	if len(attrs) > 0 {
		form["attrs"] = attrs
	}
	text, err := json.Marshal(form)
	if err != nil {
		return otn.Record{}, errors.New("cannot be written as JSON")
	}
	o, err := otn.DecodeObservation(text)
	return otn.Record{Observation: &o}, err
}

// mappedTrigger reads the trigger's fields. subject, channel and recipient are its own; the others are as declared.
func (e *Events) mappedTrigger(ev event) (otn.Trigger, error) {
	t := otn.Trigger{Name: e.config.Name}
	for _, f := range e.fields {
		value, told := ev.find(f.from)
		if !told {
			continue
		}
		v, err := ev.convert(f, value)
		if errors.Is(err, errEmpty) {
			continue
		}
		if err != nil {
			return t, fmt.Errorf("%s from %q: %w", f.to, f.from, err)
		}
		s, scalar := scalarText(v)
		switch {
		case v == nil:
		case !scalar:
			return t, fmt.Errorf("%s from %q: want one value", f.to, f.from)
		case f.to == "subject":
			t.Subject = s
		case f.to == "channel":
			t.Channel = s
		case f.to == "recipient":
			t.Subscriber.ID = s
		default:
			value, err := triggerValue(f.convert, s)
			if err != nil {
				return t, fmt.Errorf("%s from %q: %w", f.to, f.from, err)
			}
			t.Fields = append(t.Fields, otn.Named{Name: f.to, Value: value})
		}
	}
	return t, nil
}

func triggerValue(convert, s string) (otn.Value, error) {
	if convert == "minor" {
		convert = "money"
	}
	if t, ok := otn.ParseType(convert); ok {
		return otn.ParseValue(t, s)
	}
	return otn.StringValue(s), nil
}

// find gives the value at a path. @name is an attribute of the CloudEvent.
func (ev *event) find(path string) (json.RawMessage, bool) {
	if name, ok := strings.CutPrefix(path, "@"); ok {
		s, told := ev.about[name]
		if !told {
			return nil, false
		}
		quoted, err := json.Marshal(s)
		return quoted, err == nil
	}
	return dig(ev.body, path)
}

// dig follows a path into objects and lists. A name that holds a dot is found before the dot is taken for a step.
func dig(value json.RawMessage, path string) (json.RawMessage, bool) {
	var list []json.RawMessage
	if json.Unmarshal(value, &list) == nil && list != nil {
		first, rest, deeper := strings.Cut(path, ".")
		n, err := strconv.Atoi(first)
		if err != nil || n < 0 || n >= len(list) {
			return nil, false
		}
		if !deeper {
			return list[n], true
		}
		return dig(list[n], rest)
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(value, &object) != nil {
		return nil, false
	}
	if v, told := object[path]; told {
		return v, true
	}
	for at := 0; ; {
		dot := strings.IndexByte(path[at:], '.')
		if dot < 0 {
			return nil, false
		}
		if v, told := object[path[:at+dot]]; told {
			return dig(v, path[at+dot+1:])
		}
		at += dot + 1
	}
}
