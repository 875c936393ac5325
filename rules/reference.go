// The language in full, for who writes rules: made from the tables by which files are read and checked.

package rules

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/onetimenotify/otn/core/otn"
)

// Reference describes the whole language in Markdown: keys, types, names, functions, operators and codes.
func Reference() string {
	var b strings.Builder
	b.WriteString("# The rule language, in full\n\n" +
		"Made from the code by `go test ./rules -run InStep -update`; a test keeps it in step. [The example shop](../examples/shop/rules/shop.yaml) shows the language at work.\n")
	referKeys(&b)
	referTypes(&b)
	referNames(&b)
	referFunctions(&b)
	referCodes(&b)
	return b.String()
}

// row writes a row of a table; | and line breaks inside cells are escaped.
func row(b *strings.Builder, cells ...string) {
	for _, c := range cells {
		b.WriteString("| " + strings.NewReplacer("|", `\|`, "\n", " ").Replace(c) + " ")
	}
	b.WriteString("|\n")
}

func head(b *strings.Builder, cells ...string) {
	row(b, cells...)
	b.WriteString(strings.Repeat("|---", len(cells)) + "|\n")
}

func ticked(s string) string { return "`" + s + "`" }

// shapesInOrder lists the shapes as they are reached from a file, each once.
func shapesInOrder() (out []string) {
	todo := []string{"file"}
	for len(todo) > 0 {
		shape := todo[0]
		todo = todo[1:]
		if slices.Contains(out, shape) {
			continue
		}
		out = append(out, shape)
		var inner []string
		for _, k := range fileKeys[shape] {
			if k.shape != "" {
				inner = append(inner, k.shape)
			}
		}
		todo = append(inner, todo...)
	}
	return out
}

func referKeys(b *strings.Builder) {
	b.WriteString("\n## Keys\n")
	for _, shape := range shapesInOrder() {
		title := strings.ToUpper(shape[:1]) + strings.ReplaceAll(shape[1:], "_", " ")
		fmt.Fprintf(b, "\n### %s\n\n", title)
		head(b, "key", "", "takes", "what it is for")
		for _, k := range fileKeys[shape] {
			must := ""
			if k.must {
				must = "needed"
			}
			row(b, ticked(k.name), must, k.takesWords(), k.says)
		}
	}
}

// takesWords says what stands behind a key.
func (k key) takesWords() string {
	words := map[takes]string{
		aWord: "a word", anID: "an id", aText: "a text with `${…}`", aLink: "a link, with `${…}`", aCondition: "a condition", aSize: "an expression that gives a whole number",
		aMoment: "an expression that gives a time", aList: "an expression that gives a list of items", aSpan: "a duration: `90s`, `5m`, `23h`, `3d`, `1w`, `1h30m`",
		aCount: "a whole number from 1 on", aValue: "a value of the type", someTexts: "a list of texts with `${…}`", aTime: "a moment: `2026-12-01T10:00`",
		aZone: "a time zone: `America/New_York`", subOrZone: "`subscriber`, or a time zone", someHours: "hours: `09:00-21:00`", aRate: "a rate: `1/24h`", aShare: "a share: `25%`",
		aCron: "five fields, or `@every 5m`", aVersion: "`1`", aTypeChoice: "a type", someWords: "one of these, or a list of them",
		someRanks: "`oldest_first`, `newest_first`, or a list of conditions before one of the two",
		aMapping:  "a mapping: " + k.shape, someNames: "names, each with a mapping: " + k.shape, typedNames: "names, each with a type or a mapping: " + k.shape,
		someOf: "a list of mappings: " + k.shape,
	}
	out := words[k.takes]
	if k.takes == aChoice {
		list := make([]string, len(k.words))
		for i, w := range k.words {
			list[i] = ticked(w)
		}
		out = strings.Join(list, ", ")
	}
	if k.off {
		out += "; `none` takes back the file's default"
	}
	return out
}

func referTypes(b *strings.Builder) {
	b.WriteString("\n## Types\n\n")
	head(b, "type", "written in a file", "written in an expression", "what it is")
	for _, name := range typeNames() {
		t, _ := otn.ParseType(name)
		row(b, ticked(name), ticked(typeExamples()[t][0]), ticked(typeExamples()[t][1]), typeExamples()[t][2])
	}
	b.WriteString("\nExpressions also know durations, `duration(\"3d\")`, and lists of texts and of items.\n")
}

// typeExamples are, for each type, how a file writes a value, how an expression does, and what it is.
func typeExamples() map[otn.Type][3]string {
	return map[otn.Type][3]string{
		otn.Bool: {"true", "true", "true or false"}, otn.Int: {"3", "3", "a whole number"}, otn.Float: {"2.5", "2.5", "a number; two are never compared with =="},
		otn.String: {"wool", `"wool"`, "a text"}, otn.MoneyType: {"99.00 USD", `money("99.00 USD")`, "an amount and a currency; two currencies are never compared"},
		otn.Time: {"2026-12-01T10:00:00Z", `date("2026-12-01T10:00:00Z")`, "a moment; without a zone it is read in the file's"},
	}
}

// nameTable is an object of the language: what it is, and its names.
type nameTable struct {
	name, says string
	by         map[string]field
}

func nameTables() []nameTable {
	item := itemFields(nil)
	return []nameTable{
		{"item", "The item as it is now. Not to be had where the topic is about a collection, or about nothing.", item},
		{"collection", "The collection as it is now.", collectionFields(&fields{"item", item})},
		{"was", "The subject before this event, with the same names as `item` or `collection`; at first sight equal to now. A rule that mentions it is about a change. Not to be had with a trigger, cron or once.",
			map[string]field{"first_seen": {shape: shape{k: boolean}}}},
		{"sub", "The consent and its person, with the answers of the topic by their names. In an ask there is no consent: only `channel`, `tz`, `locale`, `tags` and `consents` are known.", subBuiltins()},
		{"ref", "In an ask on a referral: what the link says.", refFields()},
	}
}

func referNames(b *strings.Builder) {
	b.WriteString("\n## Names\n\nNothing is nil, and nothing missing is guessed: a fact that the shop has not told leaves a condition undecided, and nobody is told; " +
		"`item.has.stock`, `was.has.stock`, `collection.has.title` and `sub.has.tz` say whether one is known.\n")
	for _, t := range nameTables() {
		fmt.Fprintf(b, "\n### %s\n\n%s\n\n", t.name, t.says)
		head(b, "name", "type", "what it is")
		for _, name := range slices.Sorted(maps.Keys(t.by)) {
			row(b, ticked(t.name+"."+name), typeOf(t.by[name]), nameWords()[t.name+"."+name])
		}
	}
	b.WriteString("\n### Alone\n\n")
	head(b, "name", "type", "what it is")
	for _, n := range []string{"at", "params", "trigger", "el"} {
		row(b, ticked(n), map[string]string{"at": "time", "params": "object", "trigger": "object", "el": "item"}[n], nameWords()[n])
	}
}

func typeOf(f field) string {
	if f.k == text && len(f.words) > 0 {
		return "string: " + strings.Join(f.words, ", ")
	}
	return f.k.String()
}

// nameWords says what each name is.
func nameWords() map[string]string {
	return map[string]string{
		"item.id": "the shop's own id of what can be bought: a variant, where there are variants", "item.group": "the id of what its variants have in common",
		"item.title": "its title", "item.variant": "size, color: what tells it from the other variants", "item.url": "its page", "item.image": "the address of its picture",
		"item.price": "what is paid now", "item.list_price": "what is paid without a reduction", "item.stock": "how many pieces there are",
		"item.sellable": "it can be bought now; true until told otherwise", "item.availability": "how it can be had", "item.tags": "the shop's words for it",
		"item.collections": "the ids of the collections it is in", "item.published": "it can be seen in the shop; true until told otherwise", "item.published_at": "since when it can be seen",
		"item.starts_at": "when it begins: an event, a sale", "item.attrs": "the extra facts that the file declares under attrs: `item.attrs.NAME`", "item.has": "`item.has.NAME`: the fact is known",

		"collection.id": "the shop's own id", "collection.title": "its title", "collection.url": "its page", "collection.image": "the address of its picture",
		"collection.items": "the ids of its items", "collection.published": "it can be seen in the shop; true until told otherwise", "collection.published_at": "since when it can be seen",
		"collection.launch_at": "when it is launched", "collection.top": "its first items, as they are now", "collection.has": "`collection.has.NAME`: the fact is known",

		"was.first_seen": "this is the first that is known of the subject",

		"sub.price_then": "the item's price when they agreed", "sub.low_since": "the lowest price since then, before this event", "sub.asked_at": "when they agreed", "sub.granted_at": "when they agreed",
		"sub.expires_at": "when the token of their consent ends", "sub.channel": "the channel they came through, by its name in the configuration", "sub.tz": "their time zone", "sub.locale": "their language and country: en-US",
		"sub.tags": "the operator's tags of this person", "sub.consents": "how many consents of this person wait now",

		"ref.topic": "the topic that the link names, empty for none", "ref.subject": "the subject that the link names, empty for none", "ref.rest": "what the link says beyond that",

		"at": "the moment of the decision", "params": "the knobs that the file declares under params: `params.NAME`",
		"trigger": "what the trigger carries that the rule or the ask is on: `trigger.NAME`", "el": "in the texts of a gallery: the item of the card, with the names of `item`",
	}
}

// sample is a function with an expression that uses it, what that gives, and what the function is for.
type sample struct{ name, example, gives, says string }

// samples has every function. The examples are evaluated with these facts: an item of 99.00 USD that was 120.00 USD, with
// stock 3 and the tags vip and wool; the moment is 9 o'clock in New York, on a Friday.
func samples() []sample {
	return []sample{
		{"pct_off", "pct_off(was.price, item.price)", "17.5", "by how many per cent the second price is below the first; negative when it rose"},
		{"money", `item.price < money("100 USD")`, "true", "an amount with its currency, written out"},
		{"duration", `at - date("2026-11-20") > duration("3d")`, "true", "a length of time, written out: s, m, h, d, w"},
		{"date", `at > date("2026-11-27T08:00")`, "true", "a day or a moment, written out; without a zone it is in the file's"},
		{"hour", `hour(at, "America/New_York")`, "9", "the hour of the day in a zone, 0 to 23"},
		{"weekday", `weekday(at, "America/New_York")`, `"friday"`, "the day of the week in a zone"},
		{"date_text", `date_text(at, "America/New_York")`, `"2026-11-27"`, "the day in a zone, as text"},
		{"min", "min(item.price, was.price)", "99.00 USD", "the smaller of two numbers, amounts or moments"},
		{"max", "max(item.stock * 2, 10)", "10", "the larger of two numbers, amounts or moments"},
		{"abs", "abs(2 - item.stock)", "1", "a number without its sign"},
		{"round", "round(item.stock / 2)", "2", "the nearest whole number"},
		{"len", "len(item.tags)", "2", "how many elements a list has, or characters a text"},
		{"any", `any(item.tags, {# == "vip"})`, "true", "some element is so; # is the element"},
		{"all", `all(item.tags, {len(#) > 2})`, "true", "every element is so"},
		{"none", `none(item.tags, {# == "sold"})`, "true", "no element is so"},
		{"one", `one(item.tags, {# startsWith "w"})`, "true", "exactly one element is so"},
		{"filter", `filter(item.tags, {# != "vip"})`, `["wool"]`, "the elements that are so"},
		{"count", `count(item.tags, {len(#) > 3})`, "1", "how many elements are so"},
		{"sum", "sum(item.tags, {len(#)})", "7", "the sum of a number of each element"},
		{"take", "take(item.tags, 1)", `["vip"]`, "the first so many elements"},
		{"upper", "upper(item.title)", `"WOOL COAT"`, "a text in capitals"},
		{"lower", "lower(item.title)", `"wool coat"`, "a text in small letters"},
		{"trim", `trim("  wool ")`, `"wool"`, "a text without space around it"},
		{"split", `split(item.title, " ")`, `["Wool", "coat"]`, "the parts of a text between separators"},
		{"hasPrefix", `hasPrefix(item.title, "Wool")`, "true", "a text begins so"},
		{"hasSuffix", `hasSuffix(item.title, "coat")`, "true", "a text ends so"},
	}
}

// operators has an example of each operator.
func operatorSamples() []sample {
	return []sample{
		{"&& || !", "item.sellable && !(item.stock == 0)", "true", "and, or, not; also written `and`, `or`, `not`. False decides &&, and true ||, whatever else is not known"},
		{"== != < <= > >=", "item.price <= was.price", "true", "compare two values of one type; texts and true or false only with == and !="},
		{"+ - * /", "item.stock * 2 + 1", "7", "numbers; + and - also amounts of one currency, and moments with durations. Division gives a number with decimals, and by zero an error"},
		{"%", "item.stock % 2", "1", "the rest of a division of whole numbers"},
		{"in", `"vip" in item.tags`, "true", "a value stands in a list; also in one that is written out: `item.stock in [1, 2, 3]`"},
		{"not in", `item.availability not in ["preorder", "backorder"]`, "true", "it does not"},
		{"contains", `item.title contains "coat"`, "true", "a text holds another"},
		{"startsWith", `item.title startsWith "Wool"`, "true", "a text begins so"},
		{"endsWith", `item.title endsWith "coat"`, "true", "a text ends so"},
		{"? :", `item.stock > 2 ? "many" : "few"`, `"many"`, "one of two values"},
	}
}

func referFunctions(b *strings.Builder) {
	b.WriteString("\n## Functions\n\nThese and no others. The examples speak of an item of 99.00 USD that was 120.00 USD, with stock 3 and the tags vip and wool, at 9 o'clock in New York on a Friday.\n\n")
	head(b, "function", "for example", "gives", "what it gives")
	for _, s := range samples() {
		row(b, ticked(s.name), ticked(s.example), ticked(s.gives), s.says)
	}
	b.WriteString("\n## Operators\n\n")
	head(b, "operator", "for example", "gives", "what it does")
	for _, s := range operatorSamples() {
		row(b, ticked(s.name), ticked(s.example), ticked(s.gives), s.says)
	}
	fmt.Fprintf(b, "\nAn expression has at most %d bytes, %d parts and %d loops inside each other, and takes at most %d steps of loops each time; `otn cost` prints the bound of each.\n", maxExpr, maxNodes, maxLoops, maxFuel)
}

func referCodes(b *strings.Builder) {
	b.WriteString("\n## Codes\n\n`otn help CODE` shows a wrong and a right example of each. R8… are warnings and notes, errors under `otn check --strict` where they are warnings.\n\n")
	head(b, "code", "what it means")
	codes := Codes()
	for _, id := range slices.Sorted(maps.Keys(codes)) {
		row(b, ticked(id), codes[id].Meaning)
	}
}
