// Character sets: the byte order mark tells, or else the server, or else the file itself, or else the configuration.

package feed

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"regexp"
	"strings"

	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// charsetOf is the character set of a Content-Type, "" when it names none that is known.
func charsetOf(contentType string) string {
	_, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return ""
	}
	if _, err := htmlindex.Get(params["charset"]); err != nil {
		return ""
	}
	return strings.ToLower(params["charset"])
}

// text is the body in UTF-8.
func (p *page) text() io.Reader {
	label := p.label
	if label == "" {
		label = p.spare
	}
	return p.decoded(label)
}

// decoded reads the body in a character set; its byte order mark knows better. No set is UTF-8.
func (p *page) decoded(label string) io.Reader {
	fallback := transform.Transformer(transform.Nop)
	if e, err := htmlindex.Get(label); err == nil && label != "utf-8" {
		fallback = e.NewDecoder()
	}
	if fallback == transform.Nop && !p.marked() {
		return p.body
	}
	return transform.NewReader(p.body, unicode.BOMOverride(fallback))
}

// marked reports whether the body begins with a byte order mark.
func (p *page) marked() bool {
	head := p.peek(3)
	return bytes.HasPrefix(head, []byte("\xef\xbb\xbf")) || bytes.HasPrefix(head, []byte("\xff\xfe")) || bytes.HasPrefix(head, []byte("\xfe\xff"))
}

var declares = regexp.MustCompile(`^\s*<\?xml[^>]*\sencoding\s*=`)

// xml is the body for an XML decoder, with the reader of the character set that the file declares.
func (p *page) xml() (body io.Reader, declared func(label string, r io.Reader) (io.Reader, error)) {
	known := func(_ string, r io.Reader) (io.Reader, error) { return r, nil }
	switch {
	case p.marked() || p.label != "":
		return p.decoded(p.label), known
	case p.spare != "" && !declares.Match(p.peek(512)):
		return p.decoded(p.spare), known
	}
	return p.body, func(label string, r io.Reader) (io.Reader, error) {
		e, err := htmlindex.Get(strings.TrimSpace(label))
		if err != nil {
			return nil, fmt.Errorf("the character set %.40q: %w", label, errors.ErrUnsupported)
		}
		return e.NewDecoder().Reader(r), nil
	}
}
