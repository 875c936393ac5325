// The guard before the parser: what could drive it into the ground never reaches it.

package rules

import (
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/builtin"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
)

const (
	maxExpr   = 4096 // bytes of one expression
	maxDepth  = 64   // brackets inside brackets
	maxPrefix = 64   // "!", "-", "+" and "not" before one operand
	maxNodes  = 256  // parts of one expression
	maxLoops  = 2    // loops inside loops
)

// mistake is a fault of an expression, in runes of its text. A width of 0 means all of it.
type mistake struct {
	off, width          int
	code, message, hint string
	warning             bool
}

// guard refuses what is too long, too deep or not text.
func guard(src string) *mistake {
	whole := func(code, message, hint string) *mistake {
		return &mistake{code: code, message: message, hint: hint}
	}
	switch {
	case len(src) > maxExpr:
		return whole(codeSize, "the expression is longer than 4096 bytes", "split it over several rules")
	case !utf8.ValidString(src):
		return whole(codeSyntax, "the expression is not UTF-8", "")
	}
	depth, prefix, quote := 0, 0, byte(0)
	for i := 0; i < len(src); i++ {
		c := src[i]
		if quote != 0 {
			switch {
			case c == '\\' && quote != '`':
				i++
			case c == quote:
				quote = 0
			}
			continue
		}
		if end := comment(src[i:]); end > 0 {
			i += end - 1
			continue
		}
		switch c {
		case '"', '\'', '`':
			quote, prefix = c, 0
		case '(', '[', '{':
			depth++
			prefix = 0
		case ')', ']', '}':
			depth = max(depth-1, 0)
			prefix = 0
		case '!', '-', '+':
			prefix++
		case ' ', '\t', '\n', '\r':
		default:
			if len(src) >= i+3 && src[i:i+3] == "not" && (i == 0 || !wordByte(src[i-1])) && (len(src) == i+3 || !wordByte(src[i+3])) {
				prefix++
				i += 2
				continue
			}
			prefix = 0
		}
		if depth > maxDepth || prefix > maxPrefix {
			return &mistake{utf8.RuneCountInString(src[:i]), 1, codeSize, "the expression is nested too deeply", "", false}
		}
	}
	return nil
}

// comment is the length of a comment at the beginning of src, 0 where there is none.
func comment(src string) int {
	for open, end := range map[string]string{"//": "\n", "/*": "*/"} {
		if rest, ok := strings.CutPrefix(src, open); ok {
			if i := strings.Index(rest, end); i >= 0 {
				return len(open) + i + len(end)
			}
			return len(src)
		}
	}
	return 0
}

func wordByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= utf8.RuneSelf
}

// parseExpr reads an expression that passed the guard.
func parseExpr(src string) (root ast.Node, m *mistake) {
	defer func() {
		if recover() != nil {
			root, m = nil, &mistake{code: codeInternal, message: "this expression cannot be read"}
		}
	}()
	if m = guard(src); m != nil {
		return nil, m
	}
	tree, err := parser.ParseWithConfig(src, &conf.Config{MaxNodes: maxNodes, Disabled: exprBuiltins})
	if err != nil {
		return nil, syntaxMistake(src, err)
	}
	return tree.Node, nil
}

// exprBuiltins are the functions that expr brings along: rules have their own.
var exprBuiltins = func() map[string]bool {
	names := map[string]bool{}
	for _, f := range builtin.Builtins {
		names[f.Name] = true
	}
	return names
}()

func syntaxMistake(src string, err error) *mistake {
	var fe *file.Error
	if !errors.As(err, &fe) {
		return &mistake{code: codeSyntax, message: "the expression cannot be read"}
	}
	m := &mistake{off: fe.From, width: max(fe.To-fe.From, 1), code: codeSyntax}
	m.message, m.hint = syntaxWords(fe.Message, src)
	if strings.Contains(fe.Message, "maximum allowed nodes") {
		m.code = codeSize
	}
	return m
}
