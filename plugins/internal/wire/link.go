// A link and what became of it, to messages and back.

package wire

// FromLink writes what Link returned.
func FromLink(url string, err error) *LinkResponse {
	if err != nil {
		return &LinkResponse{Fault: orElse(detail(err), "no link"), Cause: causeOf(err)}
	}
	return &LinkResponse{Url: url}
}

// ToLink reads what Link returned.
func ToLink(p *LinkResponse) (string, error) {
	if p.GetFault() != "" {
		return "", &farError{clip(p.GetFault()), causeNamed(p.GetCause())}
	}
	return p.GetUrl(), nil
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
