// The codes of faults: stable for ever, each with its meaning and an example of how not to write it, and how.

package rules

import (
	"slices"
	"strings"
)

// The codes. R0 is the shape of a file, R1 its declarations, R2 expressions, R3 texts and messages, R8 warnings, R9 ours.
const (
	codeYAML      = "R001"
	codeTooLarge  = "R002"
	codeEncoding  = "R003"
	codeDocuments = "R004"
	codeAnchor    = "R005"
	codeTag       = "R006"
	codeTwice     = "R007"
	codeKey       = "R008"
	codeMissing   = "R009"
	codeShape     = "R010"
	codeVersion   = "R011"
	codeCut       = "R012"
	codeComma     = "R013"
	codeFolded    = "R014"
	codeDeep      = "R015"

	codeName      = "R101"
	codeReserved  = "R102"
	codeType      = "R103"
	codeDefault   = "R104"
	codeChoice    = "R105"
	codeZone      = "R106"
	codeDeclared  = "R107"
	codeNoTopic   = "R108"
	codeNoTrigger = "R109"
	codeOn        = "R110"
	codeCron      = "R111"
	codeFire      = "R112"
	codeRange     = "R113"
	codeSpan      = "R114"
	codeFits      = "R115"
	codeHours     = "R116"
	codeLimit     = "R117"
	codeOrder     = "R118"
	codeMoment    = "R119"
	codeAskOn     = "R120"

	codeSyntax    = "R201"
	codeUnknown   = "R202"
	codeField     = "R203"
	codeFunction  = "R204"
	codeArgument  = "R205"
	codeMismatch  = "R206"
	codeResult    = "R207"
	codeForbidden = "R208"
	codeMoney     = "R209"
	codeLiteral   = "R210"
	codeFloat     = "R211"
	codeSize      = "R212"
	codeCost      = "R213"
	codeScope     = "R214"

	codeTemplate     = "R301"
	codeLength       = "R302"
	codeURL          = "R303"
	codeForm         = "R304"
	codeCount        = "R305"
	codePrints       = "R306"
	codeTemplateName = "R307"

	codeConstant  = "R801"
	codeSame      = "R802"
	codeUnused    = "R803"
	codeReward    = "R804"
	codeOtherUse  = "R805"
	codeRecurs    = "R806"
	codeSilent    = "R807"
	codeBraces    = "R808"
	codeUnguarded = "R809"
	codeGather    = "R810"
	codeLate      = "R811"
	codeNoHold    = "R812"
	codeFallback  = "R813"
	codeNoChannel = "R814"

	codeInternal = "R901"
)

// Code explains one code. Wrong and Right are a few lines of a rule file, which Example makes whole: Wrong has the fault,
// Right says the same without it. Codes of what cannot be shown in a few lines have neither.
type Code struct {
	Meaning string `json:"meaning"`
	Wrong   string `json:"wrong,omitempty"`
	Right   string `json:"right,omitempty"`
}

// Codes explains every code.
func Codes() map[string]Code {
	return map[string]Code{
		codeYAML:     {"the file is not YAML", "message: {text: Now}}", `message: {text: "${item.title} is cheaper"}`},
		codeTooLarge: {Meaning: "a file is larger than 1 MiB, or a mapping of it has more than 500 keys"},
		codeEncoding: {Meaning: "a file is not UTF-8, or holds a control character"},
		codeDocuments: {"a file holds more than one YAML document, or a directive", `timezone: UTC
---`, "timezone: UTC"},
		codeAnchor: {"anchors, aliases and merge keys are not used in rule files", `cron: */5 * * * *
when: item.price > sub.price_then`, `cron: "*/5 * * * *"
when: item.price > sub.price_then`},
		codeTag: {"YAML took the beginning of a value for a tag", "when: !sub.has.target && item.price < was.price", "when: '!sub.has.target && item.price < was.price'"},
		codeTwice: {"a key appears twice in one mapping, or one thing is said in two places", `hold: 5m
hold: 10m`, "hold: 10m"},
		codeKey:     {"a key that does not exist here", "wen: item.price < was.price", "when: item.price < was.price"},
		codeMissing: {"a key that must be there is missing or empty", "release: {size: 20}", "release: {size: 20, every: 20m}"},
		codeShape:   {"a mapping, a list or a plain value stands where another is wanted", "message: Cheaper now", `message: {text: "${item.title} is cheaper"}`},
		codeVersion: {"the version of the rule language is not one that this program knows", "version: 2", "version: 1"},
		codeCut:     {"YAML cut a value at a # and took the rest for a comment", `when: item.price < was.price && any(item.tags, # == "vip")`, `when: 'item.price < was.price && any(item.tags, # == "vip")'`},
		codeComma: {"YAML split a value at a comma, because it stands unquoted inside { } or [ ]", `release: {size: max(item.stock, 10), every: 20m}
hold: 5m`, `release: {size: "max(item.stock, 10)", every: 20m}
hold: 5m`},
		codeFolded: {"a value with an expression runs over several lines in a style that YAML folds", `when: >
  item.price < was.price
  && item.sellable`, `when: |
  item.price < was.price
  && item.sellable`},
		codeDeep: {"a file is nested too deeply", "attrs: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]", "attrs: {size: string}"},
		codeName: {"a name or an id is not well formed", `params: {Min-Drop: {type: int, default: 3}}
when: item.price < was.price`, `params: {min_drop: {type: int, default: 3}}
when: pct_off(was.price, item.price) >= params.min_drop`},
		codeReserved: {"a name hides a built-in one", "attrs: {title: string}", "attrs: {long_title: string}"},
		codeType:     {"a type that does not exist", "attrs: {weight: number}", "attrs: {weight: float}"},
		codeDefault:  {"a default does not fit its type, or contradicts another key", "attrs: {weight: {type: int, default: heavy}}", "attrs: {weight: {type: int, default: 500}}"},
		codeChoice:   {"a value is not one of those that are possible", "on: item.change", "on: item.changed"},
		codeZone:     {"a time zone that does not exist", "timezone: New York", "timezone: America/New_York"},
		codeDeclared: {"the same id or name is declared twice", `asks:
  - {id: late, topic: journal, on: window.opened, after: 23h}
  - {id: late, topic: journal, on: window.opened, after: 22h}`, `asks:
  - {id: late, topic: journal, on: window.opened, after: 23h}
  - {id: later, topic: journal, on: window.opened, after: 22h}`},
		codeNoTopic: {"a rule or an ask names a topic that is not declared", "topic: wach", "topic: watch"},
		codeNoTrigger: {"a rule or an ask is on a trigger that is not declared", `on: trigger.sale
when: item.sellable
message: {text: "${item.title} is in the sale"}`, `triggers: {sale: {subject: item}}
on: trigger.sale
when: item.price < sub.price_then
message: {text: "${item.title} is in the sale"}`},
		codeOn: {"what a rule is on does not fit its topic, or does not go together", "on: [collection.changed]", "on: [item.changed]"},
		codeCron: {"a cron line is not well formed", `cron: "0 25 * * *"
when: item.price < sub.price_then`, `cron: "0 9 * * *"
when: item.price < sub.price_then`},
		codeFire: {"fire does not fit the rule", `when: item.price < was.price
fire: rising`, `when: item.price < sub.price_then
fire: rising`},
		codeRange: {"a number is outside its limits", `params: {min_drop: {type: int, default: 95, max: 90}}
when: pct_off(was.price, item.price) >= params.min_drop`, `params: {min_drop: {type: int, default: 15, max: 90}}
when: pct_off(was.price, item.price) >= params.min_drop`},
		codeSpan:  {"a duration cannot be read, or is too short or too long", "hold: 5 minutes", "hold: 5m"},
		codeFits:  {"a key that can do nothing here", "deliver: {tz: America/New_York}", "deliver: {between: 09:00-21:00, tz: America/New_York}"},
		codeHours: {"hours of the day that cannot be read", "deliver: {between: 9am-9pm}", "deliver: {between: 09:00-21:00}"},
		codeLimit: {"a limit that cannot be read, or bounds nothing", "limits: {per_subscriber: 1 per day, pause_above: {share: 0.25}}", "limits: {per_subscriber: 1/24h, pause_above: {share: 25%}}"},
		codeOrder: {"an order that cannot be read", `order: [oldest_first, '"vip" in sub.tags']`, `order: ['"vip" in sub.tags', oldest_first]`},
		codeMoment: {"a moment that cannot be read", `once: 1.12.2026 10:00
when: item.price < sub.price_then`, `once: 2026-12-01T10:00
when: item.price < sub.price_then`},
		codeAskOn: {"what an ask is on does not fit its topic", `asks:
  - {id: late, topic: watch, on: window.opened}`, `asks:
  - {id: late, topic: journal, on: window.opened}`},
		codeSyntax:   {"an expression cannot be read", "when: item.price < was.price &&", "when: item.price < was.price && item.sellable"},
		codeUnknown:  {"a name that does not exist", "when: itm.price < was.price", "when: item.price < was.price"},
		codeField:    {"a field that its object does not have", "when: item.prize < was.price", "when: item.price < was.price"},
		codeFunction: {"a function that does not exist", "when: percent_off(was.price, item.price) >= 10", "when: pct_off(was.price, item.price) >= 10"},
		codeArgument: {"an argument has the wrong type, or there are too few or too many", "when: item.price < was.price && hour(at) >= 9", `when: item.price < was.price && hour(at, "America/New_York") >= 9`},
		codeMismatch: {"an operator between two types that it does not join", "when: item.price < was.price && item.title > 5", "when: item.price < was.price && len(item.title) > 5"},
		codeResult: {"an expression gives another type than is wanted here", `hold: 5m
release: {size: item.stock / 2, every: 20m}`, `hold: 5m
release: {size: round(item.stock / 2), every: 20m}`},
		codeForbidden: {"a construct of the expression syntax that rules do not use", "when: item.price < was.price && item.stock != nil", "when: item.price < was.price && item.has.stock"},
		codeMoney:     {"money is compared or joined with a bare number", "when: item.price < was.price && item.price <= 99", `when: item.price < was.price && item.price <= money("99 USD")`},
		codeLiteral:   {"a literal of money, date, duration or zone cannot be read", `when: item.price < money("99")`, `when: item.price < money("99 USD")`},
		codeFloat:     {"numbers with decimals are compared for equality", "when: pct_off(was.price, item.price) == 10", "when: pct_off(was.price, item.price) >= 10"},
		codeSize:      {"an expression is too long, too deep or has too many parts", "when: (((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((item.price < was.price)))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))", "when: (item.price < was.price)"},
		codeCost:      {"an expression can cost too much", `when: 'item.price < was.price && any(item.tags, {any(item.collections, {# in item.tags})})'`, `when: 'item.price < was.price && any(item.tags, {# in item.collections})'`},
		codeScope: {"a name that exists, but not here", `hold: 5m
release: {size: sub.quantity, every: 20m}`, `hold: 5m
release: {size: item.stock, every: 20m}`},
		codeTemplate: {"a ${ in a text is not closed, or empty", `message: {text: "${item.title is cheaper"}`, `message: {text: "${item.title} is cheaper"}`},
		codeLength: {"a text is longer than can be sent", `topics:
  watch: {use: price_drop, subject: item, ask: "Tell me when the price of this very nice product of yours gets lower than it is today"}`, `topics:
  watch: {use: price_drop, subject: item, ask: "${item.title} gets cheaper"}`},
		codeURL:          {"a link is not http or https", `message: {card: {title: "${item.title}", url: shop.example}}`, `message: {card: {title: "${item.title}", url: "https://shop.example"}}`},
		codeForm:         {"a message is not exactly one of text, card, gallery, image and template", `message: {text: "${item.title}", image: "${item.image}"}`, `message: {card: {title: "${item.title}", image: "${item.image}"}}`},
		codeCount:        {"too many buttons, or too many params of a template", `message: {card: {title: "${item.title}", buttons: [{title: A, url: "${item.url}"}, {title: B, url: "${item.url}"}, {title: C, url: "${item.url}"}, {title: D, url: "${item.url}"}]}}`, `message: {card: {title: "${item.title}", buttons: [{title: Buy it, url: "${item.url}"}]}}`},
		codePrints:       {"a value of this type cannot stand in a text", `message: {text: "${item.title} ${item.tags}"}`, `message: {text: "${item.title} ${len(item.tags)}"}`},
		codeTemplateName: {"the name or the language of a template is not a plain word", `message: {template: {name: price_drop, language: English, params: ["${item.title}"]}}`, `message: {template: {name: price_drop, language: en_US, params: ["${item.title}"]}}`},
		codeConstant:     {"a condition is always true, or always false", "when: 1 < 2", "when: item.price < was.price"},
		codeSame:         {"both sides of an operator are the same", "when: item.price < item.price", "when: item.price < was.price"},
		codeUnused: {"a param is declared and never used", `params: {min_drop: {type: int, default: 3}}
when: item.price < was.price`, `params: {min_drop: {type: int, default: 3}}
when: pct_off(was.price, item.price) >= params.min_drop`},
		codeReward: {"an ask promises money or a reward, which platforms forbid", `topics:
  watch: {use: price_drop, subject: item, ask: "A voucher for ${item.title}"}`, `topics:
  watch: {use: price_drop, subject: item, ask: "${item.title} gets cheaper"}`},
		codeOtherUse: {"a rule spends consents for another use than they were given for", "when: item.stock > 0", "when: item.price < was.price && item.stock > 0"},
		codeRecurs: {"a rule can tell the same person about the same subject again within a day", `when: item.price < sub.price_then
fire: each`, `when: item.price < sub.price_then
fire: each
limits: {per_subscriber: 1/24h}`},
		codeSilent:    {"a message mentions nothing of what the ask named", "message: {text: Good news}", `message: {text: "Good news: ${item.title} is cheaper"}`},
		codeBraces:    {"a name in braces that are none of ours stands in the text as it is written", `message: {text: "${item.title} costs {item.price}"}`, `message: {text: "${item.title} costs ${item.price}"}`},
		codeUnguarded: {"an optional answer is used as if everybody had given it", "when: item.price < was.price && item.price <= sub.target", "when: item.price < was.price && (!sub.has.target || item.price <= sub.target)"},
		codeGather: {"coalesce gathers cards, and the message has none", `coalesce: 15m
message: {text: "${item.title} is cheaper"}`, `coalesce: 15m
message: {card: {title: "${item.title}", subtitle: "${item.price}"}}`},
		codeLate: {"an ask comes so late that hardly any window is still open", `asks:
  - {id: late, topic: journal, on: window.opened, after: 2d}`, `asks:
  - {id: late, topic: journal, on: window.opened, after: 23h}`},
		codeNoHold: {"waves begin with the first sight of stock that may be gone again", `when: item.price < sub.price_then && item.stock > 0
release: {size: item.stock, every: 20m}`, `when: item.price < sub.price_then && item.stock > 0
hold: 5m
release: {size: item.stock, every: 20m}`},
		codeFallback:  {Meaning: "a channel of this shop cannot carry the form of a message"},
		codeNoChannel: {Meaning: "a message is for a channel that this shop does not have"},
		codeInternal:  {Meaning: "a fault of otn itself: please report it"},
	}
}

// Example makes a whole rule file of a few of its lines, keys of a file and keys of a rule: they stand in a small shop of
// one topic with a price and one rule, in place of what that says under the same keys.
func Example(lines string) File {
	file := []string{"version: 1", `topics:
  watch: {use: price_drop, subject: item, ask: "${item.title} gets cheaper", answers: {target: {type: money, optional: true}, quantity: {type: int, default: 1}}}
  journal: {use: collection_launch, subject: none, ask: Our next lookbook}`}
	rule := []string{"id: cheaper", "topic: watch", "on: [item.changed]", "when: item.price < was.price", `message: {text: "${item.title} is ${item.price} now"}`}
	var ofFile, ofRule []string
	for _, b := range blocks(lines) {
		if slices.ContainsFunc(fileKeys["file"], func(k key) bool { return k.name == keyOf(b) }) {
			ofFile = append(ofFile, b)
		} else {
			ofRule = append(ofRule, b)
		}
	}
	rule = instead(rule, ofRule)
	text := strings.Join(instead(file, ofFile), "\n") + "\nrules:\n  - " + strings.ReplaceAll(strings.Join(rule, "\n"), "\n", "\n    ") + "\n"
	return File{Name: "example.yaml", Source: []byte(text)}
}

// blocks splits lines at those that begin with a key in the first column.
func blocks(lines string) (out []string) {
	for _, line := range strings.Split(strings.TrimSuffix(lines, "\n"), "\n") {
		if len(out) > 0 && (keyOf(line) == "" || strings.HasPrefix(line, " ")) {
			out[len(out)-1] += "\n" + line
			continue
		}
		out = append(out, line)
	}
	return out
}

func keyOf(block string) string {
	name, _, ok := strings.Cut(block, ":")
	if !ok {
		return ""
	}
	return name
}

// instead is have without the blocks under the keys of other, and other behind it.
func instead(have, other []string) []string {
	out := slices.DeleteFunc(have, func(b string) bool {
		return slices.ContainsFunc(other, func(o string) bool { return keyOf(o) == keyOf(b) })
	})
	return append(out, other...)
}
