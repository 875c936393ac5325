// Triggers from outside: their fields get the types that the rules declare.

package rules

import (
	"fmt"
	"slices"

	"github.com/onetimenotify/otn/core/otn"
)

// Trigger types the fields of a trigger by its declaration. Fields that are not declared are left out: a sender may say
// more than a shop has use for; one whose name is nearly that of a declared field which is left out is a misspelling, and refused.
// Errors: ErrNotFound for a name that is not declared, ErrInvalid for a field that is missing, misspelt or of another type,
// and for a subject or a person too much or too few.
func (s *Set) Trigger(t otn.Trigger) (otn.Trigger, error) {
	d, ok := s.declared.trigger(t.Name)
	switch {
	case !ok:
		return otn.Trigger{}, fmt.Errorf("rules: trigger %q is not declared: %w", t.Name, otn.ErrNotFound)
	case d.subject == otn.ItemKind && t.Subject == "":
		return otn.Trigger{}, fmt.Errorf("rules: trigger %s names no item: %w", t.Name, otn.ErrInvalid)
	case d.subject == otn.NoSubject && t.Subject != "":
		return otn.Trigger{}, fmt.Errorf("rules: trigger %s is about no item, and names one: %w", t.Name, otn.ErrInvalid)
	case d.subscriber == "required" && (t.Subscriber.ID == "" || t.Channel == ""):
		return otn.Trigger{}, fmt.Errorf("rules: trigger %s names no person: it needs a channel and a recipient: %w", t.Name, otn.ErrInvalid)
	case d.subscriber == "" && t.Subscriber.ID != "":
		return otn.Trigger{}, fmt.Errorf("rules: trigger %s is about no person, and names one: say subscriber: optional or required: %w", t.Name, otn.ErrInvalid)
	}
	if err := misspelt(d, t.Fields); err != nil {
		return otn.Trigger{}, fmt.Errorf("rules: trigger %s: %w", t.Name, err)
	}
	given := t.Fields
	t.Fields = make([]otn.Named, 0, len(d.fields))
	for _, f := range d.fields {
		v, err := typedField(f, given)
		if err != nil {
			return otn.Trigger{}, fmt.Errorf("rules: trigger %s: field %s %w", t.Name, f.Name, err)
		}
		t.Fields = append(t.Fields, otn.Named{Name: f.Name, Value: v})
	}
	return t, nil
}

// misspelt finds a field that is not declared, and nearly has the name of one that is and was not given.
func misspelt(d trigger, given []otn.Named) error {
	var left []string
	for _, f := range d.fields {
		if !slices.ContainsFunc(given, func(n otn.Named) bool { return n.Name == f.Name }) {
			left = append(left, f.Name)
		}
	}
	for _, n := range given {
		if slices.ContainsFunc(d.fields, func(f otn.Field) bool { return f.Name == n.Name }) {
			continue
		}
		if near := nearest(n.Name, left); near != "" {
			return fmt.Errorf("there is no field %q; did you mean %q? %w", n.Name, near, otn.ErrInvalid)
		}
	}
	return nil
}

func typedField(f otn.Field, given []otn.Named) (otn.Value, error) {
	for _, n := range given {
		if n.Name != f.Name {
			continue
		}
		switch n.Value.Type() {
		case f.Type:
			return n.Value, nil
		case otn.Int:
			if f.Type == otn.Float {
				return otn.FloatValue(float64(n.Value.Int())), nil
			}
		case otn.String:
			if v, err := otn.ParseValue(f.Type, n.Value.Text()); err == nil {
				return v, nil
			}
		}
		return otn.Value{}, fmt.Errorf("is no %s: %w", f.Type, otn.ErrInvalid)
	}
	if f.Default.Type() == otn.NoType {
		return otn.Value{}, fmt.Errorf("is missing: %w", otn.ErrInvalid)
	}
	return f.Default, nil
}
