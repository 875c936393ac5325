// The parser's messages in the words of a rule file.

package rules

import (
	"regexp"
	"strings"
)

func syntaxWords(message, src string) (words, hint string) {
	switch {
	case strings.Contains(message, "maximum allowed nodes"):
		return "the expression has too many parts", "split it over several rules"
	case strings.Contains(message, "unexpected token EOF"):
		return "the expression ends too early", openBracket(src)
	case strings.Contains(message, "literal not terminated"):
		return "this text is never closed", "end it with the quote it began with"
	case strings.Contains(message, `Operator("=")`):
		return "a single = is no operator", "write == to compare"
	case strings.Contains(message, `Operator(",")`):
		return "a comma does not belong here", ""
	case strings.Contains(message, "expected at least 2 arguments"):
		return "this goes through a list and needs a condition for its elements", `for example any(item.tags, {# == "vip"})`
	}
	if found := unexpected(message); found != "" {
		return "did not expect " + found + " here", ""
	}
	return message, ""
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
