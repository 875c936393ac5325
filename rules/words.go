// The parser's messages in the words of a rule file.

package rules

import (
	"cmp"
	"regexp"
	"strings"

	"github.com/onetimenotify/otn/core/otn"
)

func syntaxWords(message, src string) (words, hint string) {
	switch {
	case strings.Contains(message, "maximum allowed nodes"):
		return "the expression has too many parts", "split it over several rules"
	case strings.Contains(message, "unexpected token EOF"):
		if pipe := strings.LastIndex(src, "|"); pipe > 0 && !strings.Contains(src, "||") {
			return "the expression ends too early", "a function stands in front of its argument: upper(item.title)"
		}
		return "the expression ends too early", cmp.Or(openBracket(src), perCentHint(src))
	case strings.Contains(message, "literal not terminated"):
		return "this text is never closed", "end it with the quote it began with"
	case strings.Contains(message, `Operator("=")`):
		return "a single = is no operator", "write == to compare"
	case strings.Contains(message, `Operator(",")`):
		return "a comma does not belong here", ""
	case strings.Contains(message, "expected at least 2 arguments"):
		return "this goes through a list and needs a condition for its elements", `for example any(item.tags, {# == "vip"})`
	}
	if m := regexp.MustCompile(`unrecognized character: \S+ '(.)'`).FindStringSubmatch(message); m != nil {
		if strings.Contains("“”„«»‘’‚", m[1]) {
			return m[1] + " is no quote in a rule", `a text stands in straight quotes: "red"`
		}
		return m[1] + " does not belong here", ""
	}
	if found := unexpected(message); found != "" {
		return "did not expect " + found + " here", unexpectedHint(found, src)
	}
	return message, ""
}

// unexpectedHint says how to write what somebody probably meant by a word or sign that cannot stand where it does.
func unexpectedHint(found, src string) string {
	if _, ok := otn.Exponent(found); ok {
		return `an amount is written money("99 ` + found + `")`
	}
	switch strings.ToLower(found) {
	case "is", "less", "greater", "than", "equals", "equal", "more", "below", "above", "at":
		return "values are compared with ==, !=, <, <=, > and >="
	case "then", "else":
		return "one of two values is written a ? b : c"
	case "&", "|", "and", "or", "not":
		return "conditions are joined with && and ||, and turned round with !"
	case "&&", "||":
		return perCentHint(src)
	case "%":
		return "a drop in per cent is pct_off(was.price, item.price)"
	case "$":
		return "a name stands by itself in an expression: only texts write it as ${…}"
	case "{", "${":
		if strings.Contains(src, "${") {
			return "a name stands by itself in an expression: only texts write it as ${…}"
		}
	}
	return ""
}

// perCentHint says how a number of per cent is written, where one stands with its sign.
func perCentHint(src string) string {
	if regexp.MustCompile(`\d\s*%\s*($|&|\||\))`).MatchString(src) {
		return "a number of per cent is written without its sign: pct_off(was.price, item.price) >= 10"
	}
	return ""
}

// unexpected names the token of "unexpected token Kind("text")".
func unexpected(message string) string {
	m := regexp.MustCompile(`^unexpected token \w+\("((?s:.*))"\)`).FindStringSubmatch(message)
	if m == nil {
		return ""
	}
	return m[1]
}

func openBracket(src string) string {
	if strings.Count(src, "(") > strings.Count(src, ")") {
		return "a ( is never closed"
	}
	if strings.Count(src, "[") > strings.Count(src, "]") {
		return "a [ is never closed"
	}
	if strings.Count(src, "{") > strings.Count(src, "}") {
		return "a { is never closed"
	}
	return ""
}
