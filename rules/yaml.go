// The door to YAML: what its parser would take wrongly or at any price is refused on the raw tokens first.

package rules

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

const (
	maxFlow   = 32  // brackets inside brackets
	maxIndent = 200 // columns, which bounds the depth of blocks
	maxOpen   = 512 // brackets on one line, nested or not
	maxKeys   = 500 // of one mapping: the YAML parser takes time by their square
	maxDashes = 8   // "- - - …" on one line
)

// parse reads the one document of a file. It returns nil when there is nothing to go on with.
func (s *source) parse() *node {
	if !s.readable() || !s.shallow() {
		return nil
	}
	tokens := lexer.Tokenize(s.text)
	if !s.plainYAML(tokens) {
		return nil
	}
	doc, err := parseTokens(tokens)
	if err != nil {
		s.syntaxFault(err, tokens)
		return nil
	}
	for _, d := range doc.Docs {
		if d.Body != nil {
			return tree(d.Body, place{1, 1, 1})
		}
	}
	s.fault(place{1, 1, 1}, codeMissing, "the file is empty", `a rule file begins with "version: 1"`)
	return nil
}

func parseTokens(tokens token.Tokens) (f *ast.File, err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("this cannot be read")
		}
	}()
	return parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
}

// shallow bounds nesting on the raw text, so that no parser can be driven into the ground.
func (s *source) shallow() bool {
	for i, line := range s.lines {
		body := strings.TrimLeft(line, " \t-?")
		lead := line[:len(line)-len(body)]
		dashes := strings.Count(lead, "-") + strings.Count(lead, "?")
		if dashes > maxDashes && strings.Trim(line, "-") != "" {
			s.fault(place{i + 1, 1, 1}, codeDeep, "too many lists inside each other", "")
			return false
		}
		open := strings.Count(body, "[") + strings.Count(body, "{")
		if len(lead) > maxIndent && body != "" || open > maxOpen {
			s.fault(place{i + 1, 1, 1}, codeDeep, "this is nested too deeply", "")
			return false
		}
	}
	return true
}

// plainYAML walks the tokens before they are parsed: no document but one, no anchors, no tags, bounded depth.
func (s *source) plainYAML(tokens token.Tokens) bool {
	depth, ok, width := 0, true, keyCount{}
	for i, tk := range tokens {
		at := tokenPlace(tk, place{1, 1, 1})
		if width.add(tk, depth) > maxKeys {
			return s.refuse(at, codeTooLarge, fmt.Sprintf("a mapping with more than %d keys", maxKeys), "split it over several files")
		}
		switch tk.Type {
		case token.DocumentHeaderType:
			if i > 0 && !onlyComments(tokens[:i]) {
				ok = s.refuse(at, codeDocuments, "a second YAML document begins here", "make it a file of its own")
			}
		case token.DocumentEndType, token.DirectiveType:
			ok = s.refuse(at, codeDocuments, "a rule file is one plain YAML document", "delete this line")
		case token.AnchorType, token.AliasType, token.MergeKeyType:
			if n := len(s.faults); n > 0 && s.faults[n-1].Line == at.line {
				continue // "*/5 * * * *" without quotes: once is enough
			}
			ok = s.refuse(at, codeAnchor, "anchors, aliases and merge keys are not used in rule files",
				s.quotedHint(tk, at))
		case token.TagType:
			ok = s.refuse(at, codeTag, fmt.Sprintf("YAML takes %s for a tag", tk.Value), "quote the value: '"+s.rest(at)+"'")
		case token.MappingKeyType:
			ok = s.refuse(at, codeYAML, "keys are plain words here", "write the key before the colon, without ?")
		case token.MappingStartType, token.SequenceStartType:
			if depth++; depth > maxFlow {
				return s.refuse(at, codeDeep, "too many brackets inside each other", "")
			}
		case token.MappingEndType, token.SequenceEndType:
			depth--
		case token.InvalidType:
			return s.refuse(at, codeYAML, yamlWords(tk.Error), "")
		}
	}
	return ok
}

// quotedHint says what to write where YAML takes the beginning of a value for an anchor or an alias.
func (s *source) quotedHint(tk *token.Token, at place) string {
	if rest := s.rest(at); tk.Type == token.AliasType && strings.Contains(rest, " ") {
		return "a text that begins with & or * stands in quotes: '" + rest + "'"
	}
	return "write the value out; a text that begins with & or * stands in quotes"
}

// keyCount counts the keys of the mappings that are open: of blocks by their column, of { } by their depth, which is negative here.
type keyCount map[int]int

// add takes the next token and returns how many keys its mapping has by now. depth is that of { } and [ ].
func (n keyCount) add(tk *token.Token, depth int) int {
	at := -depth
	switch {
	case tk.Type == token.MappingStartType:
		n[at-1] = 0
		return 0
	case tk.Type == token.SequenceEntryType && depth == 0:
		n.closeBehind(tk.Position.Column)
		return 0
	case tk.Type != token.MappingValueType:
		return 0
	case depth == 0 && tk.Prev != nil:
		at = tk.Prev.Position.Column
		n.closeBehind(at)
	}
	n[at]++
	return n[at]
}

// closeBehind forgets the mappings that are indented deeper than a column.
func (n keyCount) closeBehind(column int) {
	for c := range n {
		if c > column {
			delete(n, c)
		}
	}
}

func (s *source) refuse(at place, code, message, hint string) bool {
	s.fault(at, code, message, hint)
	return false
}

func onlyComments(tokens token.Tokens) bool {
	for _, tk := range tokens {
		if tk.Type != token.CommentType {
			return false
		}
	}
	return true
}

// rest is the remainder of a line from a place on, as it would stand in single quotes.
func (s *source) rest(at place) string {
	line := []rune(s.line(at.line))
	if at.col < 1 || at.col > len(line) {
		return "…"
	}
	return strings.ReplaceAll(strings.TrimSpace(string(line[at.col-1:])), "'", "''")
}

// syntaxFault says what the YAML parser refused; a comma or a # inside brackets is the usual cause and named as such.
func (s *source) syntaxFault(err error, tokens token.Tokens) {
	at, message := place{1, 1, 1}, "this cannot be read as YAML"
	var ye yaml.Error
	if errors.As(err, &ye) {
		at, message = tokenPlace(ye.GetToken(), at), yamlWords(ye.GetMessage())
	}
	if line := s.line(at.line); strings.Contains(line, "${") {
		col := utf8.RuneCountInString(line[:strings.Index(line, "${")]) + 1
		if at.col == col+1 { // the { of ${ was taken for a mapping
			s.fault(place{at.line, col, 2}, codeComma, "inside { } YAML takes this brace for its own", "quote the whole text: \"…\"")
			return
		}
	}
	if trap := flowTrap(tokens, at.line); trap != nil {
		quoted := "quote the whole expression: '…'; or use a | block"
		if trap.Type == token.CommentType {
			s.fault(tokenPlace(trap, at), codeCut, "inside { } and [ ] YAML takes everything behind this # for a comment", quoted)
			return
		}
		s.fault(tokenPlace(trap, at), codeComma, "inside { } and [ ] YAML splits the value at this comma", quoted)
		return
	}
	hint := ""
	if strings.Contains(message, "quote") {
		hint = `for example 'item.title == "a: b"', or a | block`
	}
	s.fault(at, codeYAML, message, hint)
}

// flowTrap finds the comma or comment inside brackets, on the line of a fault, that cut a value with an open parenthesis.
func flowTrap(tokens token.Tokens, line int) *token.Token {
	depth := 0
	for _, tk := range tokens {
		switch tk.Type {
		case token.MappingStartType, token.SequenceStartType:
			depth++
		case token.MappingEndType, token.SequenceEndType:
			depth--
		case token.CommentType, token.CollectEntryType:
			cut := tk.Prev != nil && tk.Prev.Type == token.StringType && strings.Count(tk.Prev.Value, "(") > strings.Count(tk.Prev.Value, ")")
			comment := tk.Type == token.CommentType && tk.Prev != nil && tk.Prev.Position.Line == tk.Position.Line
			if depth > 0 && tk.Position.Line == line && (cut || comment) {
				if tk.Next != nil && tk.Next.Type == token.CommentType && cut && tk.Next.Position.Line == line {
					return tk.Next
				}
				return tk
			}
		}
	}
	return nil
}

// yamlWords turns the parser's message into a sentence of ours.
func yamlWords(message string) string {
	words := map[string]string{
		"value is not allowed in this context":               "the indentation of this line fits nothing above it",
		"mapping value is not allowed in this context":       "a colon in the middle of a plain value: quote the value",
		"could not find flow mapping end token '}'":          "this { is never closed",
		"sequence end token ']' not found":                   "this [ is never closed",
		"could not find end character of single-quoted text": "this ' is never closed",
		"could not find end character of double-quoted text": "this \" is never closed",
		"non-map value is specified":                         "this is no key with a value: a colon is missing behind it",
		"could not find flow map content":                    "something is missing between the commas",
	}
	if w, ok := words[message]; ok {
		return w
	}
	for part, w := range map[string]string{
		"map key-value is pre-defined": "text behind a quoted value: quote the whole value",
		"must be specified":            "text behind a quoted value, or a comma is missing: quote the whole value",
		"is a reserved character":      "a value cannot begin with this character: quote it",
		"invalid header option":        "a value that begins with > or | is a block: quote it",
	} {
		if strings.Contains(message, part) {
			return w
		}
	}
	if strings.Contains(message, "'\t'") || strings.Contains(message, "tab") {
		return "a tab cannot indent a line: use spaces"
	}
	if message == "" {
		return "this cannot be read as YAML"
	}
	return message
}
