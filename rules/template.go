// Texts with ${…}: found, checked and printed. $${ stands for a plain ${.

package rules

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/onetimenotify/otn/core/otn"
)

// template is a text in parts.
type template struct {
	parts []part
	at    *node
}

// maxTemplate is how long a text may be as it is written, in bytes: the longest that can be sent, and room for its expressions.
const maxTemplate = 4*otn.MaxText + maxExpr

// part is a piece of a text: written out, or an expression.
type part struct {
	plain string
	expr  *compiled
}

// template reads the text of n. It returns nil when faults were noted.
func (s *source) template(n *node, what string, sc *scope) *template {
	if n == nil || n.kind != scalarNode {
		if n != nil {
			s.whole(n, what)
		}
		return nil
	}
	if n.split || n.cut.line > 0 || n.style == folded && strings.Contains(n.text, "${") {
		s.whole(n, what)
		return nil
	}
	if len(n.text) > maxTemplate {
		s.fault(place{n.at.line, n.at.col, 1}, codeLength, fmt.Sprintf("%s is written with %d bytes, %d are allowed", what, len(n.text), maxTemplate), "")
		return nil
	}
	t, ok := &template{at: n}, true
	pieces, wrong := splitTemplate(n.text)
	if wrong != nil {
		s.report(n, 0, n.text, []mistake{*wrong})
		return nil
	}
	for _, p := range pieces {
		if !p.expr {
			t.parts = append(t.parts, part{plain: p.text})
			continue
		}
		out, mistakes := compile(p.text, sc, unknown)
		if out != nil && !prints(out.k) {
			mistakes = append(mistakes, mistake{0, 0, codePrints, fmt.Sprintf("%s cannot stand in a text", article(out.shape)), "name a field of it, or its len(…)", false})
			out = nil
		}
		s.report(n, p.off, p.text, mistakes)
		s.spend(n, p.off, what, out)
		ok = ok && out != nil
		t.parts = append(t.parts, part{expr: out})
	}
	if !ok {
		return nil
	}
	s.lintBraces(t)
	return t
}

func prints(k kind) bool { return k > failed && k <= span && k != span }

// piece is a part of a text that is not checked yet; off is where its text begins, in runes.
type piece struct {
	text string
	off  int
	expr bool
}

// splitTemplate finds the ${…} of a text: braces balance, and those inside quotes do not count.
func splitTemplate(s string) ([]piece, *mistake) {
	var out []piece
	var plain strings.Builder
	for i := 0; i < len(s); {
		switch {
		case strings.HasPrefix(s[i:], "$${"):
			plain.WriteString("${")
			i += 3
		case strings.HasPrefix(s[i:], "${"):
			off := utf8.RuneCountInString(s[:i])
			end := closing(s[i+2:])
			if end < 0 {
				return nil, &mistake{off, 2, codeTemplate, "this ${ is never closed", "end the expression with }, or write $${ for a plain ${", false}
			}
			src := s[i+2 : i+2+end]
			if strings.TrimSpace(src) == "" {
				return nil, &mistake{off, 3, codeTemplate, "there is nothing between ${ and }", "", false}
			}
			if plain.Len() > 0 {
				out = append(out, piece{text: plain.String()})
				plain.Reset()
			}
			out = append(out, piece{src, off + 2, true})
			i += 2 + end + 1
		default:
			plain.WriteByte(s[i])
			i++
		}
	}
	if plain.Len() > 0 {
		out = append(out, piece{text: plain.String()})
	}
	return out, nil
}

// closing is the index of the } that ends an expression, or -1.
func closing(s string) int {
	depth, quote := 0, byte(0)
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quote != 0:
			if c == '\\' && quote != '`' {
				i++
			} else if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'' || c == '`':
			quote = c
		case c == '{':
			depth++
		case c == '}':
			if depth == 0 {
				return i
			}
			depth--
		}
	}
	return -1
}

// written is the text when it holds no expression.
func (t *template) written() (string, bool) {
	var b strings.Builder
	for _, p := range t.parts {
		if p.expr != nil {
			return "", false
		}
		b.WriteString(p.plain)
	}
	return b.String(), true
}

// shortest is how many runes the text has at least.
func (t *template) shortest() int {
	n := 0
	for _, p := range t.parts {
		n += utf8.RuneCountInString(p.plain)
	}
	return n
}

// render prints the text. Errors: ErrInvalid, with the fact that is not known or what went wrong.
func (t *template) render(f *frame, pr *printer, escape func(before, text string) string) (string, error) {
	var b strings.Builder
	for _, p := range t.parts {
		if p.expr == nil {
			b.WriteString(p.plain)
			continue
		}
		v := f.eval(p.expr.run)
		if !v.ok() {
			return "", fmt.Errorf("%s: %w", v.because(), otn.ErrInvalid)
		}
		out := pr.print(v)
		if escape != nil {
			out = escape(b.String(), out)
		}
		b.WriteString(out)
	}
	return b.String(), nil
}

// expressions calls visit for each expression of the text.
func (t *template) expressions(visit func(*compiled)) {
	for _, p := range t.parts {
		if p.expr != nil {
			visit(p.expr)
		}
	}
}
