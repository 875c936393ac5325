// JSON as platforms write it: fields left out or null, ids of any size, and errors that quote nothing.

package hook

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Told is a field that a body may leave out, or tell as null.
type Told[T any] struct {
	Value T
	Is    bool // it is in the body
	Null  bool // it is, as null
}

// Known reports whether the field has a value.
func (t Told[T]) Known() bool { return t.Is && !t.Null }

// UnmarshalJSON notes that the field was there.
func (t *Told[T]) UnmarshalJSON(text []byte) error {
	t.Is = true
	if t.Null = string(text) == "null"; t.Null {
		return nil
	}
	return json.Unmarshal(text, &t.Value)
}

// ID is a platform's id, a whole number of any size, as text: no number goes through a float. Null and left out are "".
type ID string

// UnmarshalJSON takes a number's own digits.
func (i *ID) UnmarshalJSON(text []byte) error {
	s := strings.Trim(string(text), `"`)
	if s == "null" {
		*i = ""
		return nil
	}
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return Misfit("an id that is no whole number")
	}
	*i = ID(s)
	return nil
}

// Misfit is what a field's own reader says of a value that does not fit. It quotes nothing of it.
type Misfit string

// Error is the text itself.
func (m Misfit) Error() string { return string(m) }

// Read decodes a body. Its error says where it does not fit, and quotes nothing.
func Read(body []byte, into any) error {
	err := json.Unmarshal(body, into)
	var typed *json.UnmarshalTypeError
	var misfit Misfit
	switch {
	case err == nil:
		return nil
	case errors.As(err, &misfit):
		return misfit
	case errors.As(err, &typed):
		return fmt.Errorf("%s is no %s", typed.Field, typed.Type)
	}
	return errors.New("not the JSON it should be")
}
