// XML feeds: entries one after the other, whatever the size of the file.

package feed

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/onetimenotify/otn/core/otn"
)

// The bounds of an XML feed.
const (
	maxDepth  = 64      // elements inside each other
	maxField  = 8 << 10 // bytes kept of one field
	maxFields = 256     // fields kept of one entry
	maxPiece  = 4 << 20 // bytes of one entry, one tag or one text
)

// googleNS is the namespace of Google's fields, and atomNS that of Atom's own.
const (
	googleNS = "http://base.google.com/ns/1.0"
	atomNS   = "http://www.w3.org/2005/Atom"
)

var errTooLarge = errors.New("an entry is larger than 4 MiB")

// entries reads RSS or Atom and yields the fields of each entry. want names the field that an element tells, "" for none; the
// first element of a name counts. An error anywhere is an error of the whole: a file that is cut short has no entries.
func (p *page) entries(want func(xml.StartElement) string, yield func(fields map[string]string) error) error {
	body, declared := p.xml()
	guard := &pieces{r: body}
	d := xml.NewDecoder(guard)
	d.Entity, d.CharsetReader = xml.HTMLEntity, declared
	depth, rooted := 0, false
	for {
		guard.next()
		token, err := d.Token()
		if errors.Is(err, io.EOF) && rooted && depth == 0 {
			return nil
		}
		if err != nil {
			return xmlFault(err)
		}
		switch tag := token.(type) {
		case xml.StartElement:
			if !rooted && !slices.Contains([]string{"rss", "feed", "RDF"}, tag.Name.Local) {
				return fmt.Errorf("no feed: its root is <%.40s>: %w", tag.Name.Local, otn.ErrInvalid)
			}
			if depth++; depth > maxDepth {
				return fmt.Errorf("elements nest deeper than %d: %w", maxDepth, otn.ErrInvalid)
			}
			if rooted && (tag.Name.Local == "item" || tag.Name.Local == "entry") {
				fields, err := entry(d, want)
				if err != nil {
					return xmlFault(err)
				}
				depth--
				if err := yield(fields); err != nil {
					return err
				}
			}
			rooted = true
		case xml.EndElement:
			depth--
		}
	}
}

// xmlFault says what is wrong with a file, in a line.
func xmlFault(err error) error {
	var bad *xml.SyntaxError
	switch {
	case errors.As(err, &bad) && strings.Contains(bad.Msg, "unexpected EOF"), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errCut
	case errors.As(err, &bad):
		return fmt.Errorf("line %d: %s: %w", bad.Line, bad.Msg, otn.ErrInvalid)
	}
	return err
}

// entry reads the fields of one entry, to its end.
func entry(d *xml.Decoder, want func(xml.StartElement) string) (map[string]string, error) {
	fields := map[string]string{}
	name := "" // of the field that is being read
	var text []byte
	for depth := 1; depth > 0; {
		token, err := d.Token()
		if err != nil {
			return nil, err
		}
		switch tag := token.(type) {
		case xml.StartElement:
			if depth++; depth > maxDepth {
				return nil, fmt.Errorf("elements nest deeper than %d: %w", maxDepth, otn.ErrInvalid)
			}
			if depth == 2 {
				name, text = want(tag), nil
				if name != "" && tag.Name.Local == "link" && tag.Name.Space == atomNS {
					text = append(text, attr(tag, "href")...)
				}
			}
		case xml.CharData:
			if name != "" && len(text) < maxField {
				text = append(text, tag[:min(len(tag), maxField-len(text))]...)
			}
		case xml.EndElement:
			if depth--; depth == 1 && name != "" {
				if _, twice := fields[name]; !twice && len(fields) < maxFields {
					fields[name] = strings.TrimSpace(strings.ToValidUTF8(string(text), ""))
				}
				name = ""
			}
		}
	}
	return fields, nil
}

func attr(tag xml.StartElement, name string) string {
	for _, a := range tag.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// googleXML reads a Merchant feed in RSS or Atom. A field of Google's own stands before one of the feed's format.
func (f *Feed) googleXML(p *page, t *telling) error {
	want := func(tag xml.StartElement) string {
		switch local := tag.Name.Local; tag.Name.Space {
		case googleNS, "g":
			return local
		case "":
			return "plain " + local
		case atomNS:
			if local == "title" || local == "link" && isAlternate(tag) {
				return "plain " + local
			}
		}
		return ""
	}
	return p.entries(want, func(fields map[string]string) error {
		return f.product(t, func(name string) string {
			if text, ok := fields[name]; ok {
				return text
			}
			return fields["plain "+name]
		})
	})
}

// isAlternate reports whether an Atom link leads to the page itself.
func isAlternate(tag xml.StartElement) bool {
	rel := attr(tag, "rel")
	return rel == "" || rel == "alternate"
}
