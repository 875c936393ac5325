// What is wrong with a configuration, as data: it crosses the border and reaches the operator with the path of each fault.

package wire

import (
	"errors"
	"strings"

	"github.com/onetimenotify/otn/core/otn"
)

// Diagnostic is one fault of a configuration. It never quotes a secret.
type Diagnostic struct {
	Path    string // of the field, as in script[2].after; empty: the configuration as a whole
	Message string
}

// String gives "path: message".
func (d Diagnostic) String() string {
	if d.Path == "" {
		return d.Message
	}
	return d.Path + ": " + d.Message
}

// ConfigError is a configuration that a plugin does not accept, with every fault found. errors.Is finds otn.ErrInvalid in it.
type ConfigError struct{ Diagnostics []Diagnostic }

// Error lists the faults in one line.
func (e *ConfigError) Error() string {
	faults := make([]string, len(e.Diagnostics))
	for i, d := range e.Diagnostics {
		faults[i] = d.String()
	}
	return "configuration: " + strings.Join(faults, "; ")
}

// Unwrap gives otn.ErrInvalid.
func (e *ConfigError) Unwrap() error { return otn.ErrInvalid }

// Diagnose reads an error of a plugin's New as diagnostics: those of a ConfigError, of several that were joined, or the text of any other error.
func Diagnose(err error) []Diagnostic {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []Diagnostic
		for _, e := range joined.Unwrap() {
			all = append(all, Diagnose(e)...)
		}
		return all
	}
	if ce := (*ConfigError)(nil); errors.As(err, &ce) {
		return ce.Diagnostics
	}
	return []Diagnostic{{Message: err.Error()}}
}

// FromDiagnostics writes the faults of a configuration.
func FromDiagnostics(all []Diagnostic) []*ConfigFault {
	return each(all, func(d Diagnostic) *ConfigFault { return &ConfigFault{Path: clip(d.Path), Message: clip(d.Message)} })
}

// ToConfigError reads the faults of a configuration; nil when there are none.
func ToConfigError(faults []*ConfigFault) error {
	if len(faults) == 0 {
		return nil
	}
	return &ConfigError{each(faults, func(f *ConfigFault) Diagnostic { return Diagnostic{clip(f.GetPath()), clip(f.GetMessage())} })}
}
