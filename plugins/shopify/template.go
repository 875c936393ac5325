// Web addresses made from a template: https://shop.example/products/{handle}.

package shopify

import (
	"net/url"
	"slices"
	"strings"

	"github.com/onetimenotify/otn/plugins/channel"
)

// template is a web address with {names} to be filled in. The empty template makes no address.
type template string

// parseTemplate checks a template and fills in the shop.
func parseTemplate(field, text, shop string, names []string) (template, error) {
	for rest := text; ; {
		_, after, found := strings.Cut(rest, "{")
		if !found {
			break
		}
		name, behind, closed := strings.Cut(after, "}")
		if !closed || !slices.Contains(names, name) {
			return "", channel.Fault(field, "{%s}: want one of {%s}", name, strings.Join(names, "} {"))
		}
		if name == "shop" && shop == "" {
			return "", channel.Fault(field, "{shop} needs the setting shop")
		}
		rest = behind
	}
	text = strings.ReplaceAll(text, "{shop}", shop)
	if u, err := url.Parse(template(text).fill(func(string) string { return "x" })); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return "", channel.Fault(field, "%q is no web address", text)
	}
	return template(text), nil
}

// fill gives the address, or "" when a value that it names is not known.
func (t template) fill(value func(name string) string) string {
	var b strings.Builder
	rest := string(t)
	for {
		before, after, found := strings.Cut(rest, "{")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		name, behind, _ := strings.Cut(after, "}")
		v := value(name)
		if v == "" {
			return ""
		}
		b.WriteString(url.PathEscape(v))
		rest = behind
	}
}
