// The keys of a rule file, as one table: the decoder checks by it, and whoever describes the language reads it.

package rules

// takes is what stands behind a key.
type takes uint8

const (
	aWord       takes = iota // a plain value, as it is written
	anID                     // the id of a topic or a rule
	aText                    // a text with ${…}
	aLink                    // a text that becomes an http or https address
	aCondition               // an expression that gives true or false
	aSize                    // an expression that gives a whole number
	aMoment                  // an expression that gives a time
	aList                    // an expression that gives a list of items
	aSpan                    // a duration: 30s, 5m, 23h, 3d, 1w, 1h30m
	aCount                   // a whole number from 1 on
	aValue                   // a value of the type that is declared beside it
	aChoice                  // one of words
	aMapping                 // a mapping whose keys are those of the shape
	someNames                // a mapping from names of the merchant's own to the shape
	typedNames               // the same, where a type alone may stand for a shape
	someOf                   // a list of the shape
	someTexts                // a list of texts with ${…}
	someWords                // one word, or a list of them
	someRanks                // oldest_first, newest_first, or a list of conditions before one of the two
	aTime                    // a moment as it is written: 2026-12-01T10:00
	aZone                    // the name of a time zone
	subOrZone                // subscriber, or the name of a time zone
	someHours                // 09:00-21:00
	aRate                    // 1/24h
	aShare                   // 25%
	aCron                    // five fields, or @every 5m
	aVersion                 // of the language
	aTypeChoice              // one of the types of values
)

// key is one key of a mapping.
type key struct {
	name  string
	must  bool
	takes takes
	shape string   // of a mapping, or of what a list or names hold
	words []string // of a choice
	says  string   // what it is for, in one line
	off   bool     // none takes back what the file's defaults say
}

// choice makes a key that takes one of several words.
func choice(name, says string, words ...string) key {
	return key{name: name, takes: aChoice, words: words, says: says}
}

func (k key) needed() key { k.must = true; return k }

// typeNames are the types of values, as a file writes them.
func typeNames() []string { return []string{"bool", "int", "float", "string", "money", "time"} }

// fileKeys is the shape of every mapping of a rule file, by name.
var fileKeys = map[string][]key{
	"file": {
		{name: "version", must: true, takes: aVersion, says: "the version of the rule language: 1"},
		{name: "timezone", takes: aZone, says: "the zone in which cron lines, hours and dates of this file are read, and times printed where the subscriber's is not known; UTC"},
		{name: "params", takes: someNames, shape: "param", says: "typed knobs of this shop, named params.NAME in expressions"},
		{name: "attrs", takes: typedNames, shape: "attr", says: "typed extra fields of this shop's items, named item.attrs.NAME"},
		{name: "triggers", takes: someNames, shape: "trigger", says: "named events from outside, and what they carry"},
		{name: "topics", takes: someNames, shape: "topic", says: "what people can ask to be told about"},
		{name: "asks", takes: someOf, shape: "ask", says: "when people are asked by themselves, always inside their open window"},
		{name: "defaults", takes: aMapping, shape: "defaults", says: "what holds for every rule of this file that does not say otherwise, key by key"},
		{name: "rules", takes: someOf, shape: "rule", says: "who is told about what, and when"},
	},
	"param": {
		{name: "type", must: true, takes: aTypeChoice, says: "the type of the value"},
		{name: "default", must: true, takes: aValue, says: "its value"},
		{name: "min", takes: aValue, says: "the least it may be"},
		{name: "max", takes: aValue, says: "the most it may be"},
	},
	"attr": {
		{name: "type", must: true, takes: aTypeChoice, says: "the type of the field"},
		{name: "default", takes: aValue, says: "what it is for an item of which the shop told nothing else"},
	},
	"field": {
		{name: "type", must: true, takes: aTypeChoice, says: "the type of the field"},
		{name: "default", takes: aValue, says: "what it is where the trigger leaves it out; without one it must be told"},
	},
	"answer": {
		{name: "type", must: true, takes: aTypeChoice, says: "the type of the answer"},
		choice("optional", "true: it may be left out, and sub.has.NAME tells whether it was given", "true", "false"),
		{name: "default", takes: aValue, says: "what it is where it was not given"},
	},
	"trigger": {
		choice("subject", "item: it names an item by its id", "item", "none"),
		choice("subscriber", "required or optional: it names a person, by channel and recipient", "required", "optional"),
		{name: "fields", takes: typedNames, shape: "field", says: "what it carries, named trigger.NAME in expressions"},
	},
	"topic": {
		choice("use", "what the platforms allow the message for", "price_drop", "back_in_stock", "collection_launch", "tickets_available").needed(),
		choice("subject", "what a consent is about", "item", "collection", "none").needed(),
		{name: "ask", must: true, takes: aText, says: "the title of the request for consent, 65 characters at most"},
		{name: "answers", takes: typedNames, shape: "answer", says: "what a consent may carry, named sub.NAME in expressions"},
		{name: "then", takes: aMapping, shape: "then", says: "what is said right after the consent, inside the open window"},
	},
	"then": {
		{name: "text", must: true, takes: aText, says: "the text, 2,000 characters at most"},
	},
	"ask": {
		{name: "id", must: true, takes: anID, says: "the identity of its timers"},
		{name: "topic", takes: anID, says: "what is asked about; on a referral, what the link names where it is left out"},
		{name: "on", must: true, takes: aWord, says: "window.opened, referral or trigger.NAME"},
		{name: "after", takes: aSpan, says: "how long after what it is on"},
		{name: "when", takes: aCondition, says: "who is asked; everybody where it is left out"},
	},
	"defaults": {
		{name: "deliver", takes: aMapping, shape: "deliver", says: "at which hours, how long and how evenly messages go out"},
		{name: "limits", takes: aMapping, shape: "limits", says: "how much may be sent"},
	},
	"rule": {
		{name: "id", must: true, takes: anID, says: "the identity of its state: an edited rule keeps it, a renamed one forgets it"},
		{name: "topic", must: true, takes: anID, says: "only consents given for this topic can be spent"},
		{name: "on", takes: someWords, words: []string{"item.changed", "collection.changed", "trigger.NAME"}, says: "what the rule is decided at: item.changed, collection.changed or one trigger.NAME"},
		{name: "cron", takes: aCron, says: "also decided at these times, for every subject of the topic: minute hour day month weekday, or @every 5m"},
		{name: "once", takes: aTime, says: "decided a single time, in the file's zone: 2026-12-01T10:00"},
		choice("missed", "what becomes of a cron line or a once that passed while nothing ran: made up for a single time, or left out; once", "once", "skip"),
		{name: "when", takes: aCondition, says: "who is told; everybody where it is left out"},
		choice("fire", "each: at every event for which it is true; rising: when it becomes true. By itself a when that mentions was, and any trigger, is each", "each", "rising"),
		choice("first", "fire: the first sight of a subject counts as a change", "fire"),
		choice("while_true", "send: a consent that is given while the condition holds is told at once", "send"),
		{name: "hold", takes: aSpan, says: "how long it must stay true before anybody is told"},
		{name: "release", takes: aMapping, shape: "release", says: "tells people in waves"},
		{name: "order", takes: someRanks, says: "who is told first"},
		{name: "deliver", takes: aMapping, shape: "deliver", says: "at which hours, how long and how evenly messages go out"},
		{name: "limits", takes: aMapping, shape: "limits", says: "how much may be sent"},
		{name: "coalesce", takes: aSpan, says: "how long one person's matches of the rule are gathered into one gallery"},
		{name: "message", must: true, takes: aMapping, shape: "message", says: "what people get"},
	},
	"release": {
		{name: "size", must: true, takes: aSize, says: "how many a wave tells, decided again for each"},
		{name: "every", must: true, takes: aSpan, says: "between two waves"},
		{name: "order", takes: someRanks, says: "who is told first"},
	},
	"deliver": {
		{name: "between", takes: someHours, off: true, says: "the hours in which messages go out: 09:00-21:00"},
		{name: "tz", takes: subOrZone, off: true, says: "whose hours: subscriber, or the name of a zone; subscriber"},
		{name: "outside", takes: aChoice, words: []string{"wait", "skip"}, off: true, says: "outside of the hours: wait for the next, or leave the person out; wait"},
		{name: "not_after", takes: aMoment, off: true, says: "the moment behind which nothing is sent"},
		{name: "spread", takes: aSpan, off: true, says: "over which the messages of a run are spread evenly"},
	},
	"limits": {
		{name: "per_run", takes: aCount, off: true, says: "how many messages a run sends at most"},
		{name: "per_subscriber", takes: aRate, off: true, says: "how many messages a person gets in a time, through all rules: 1/24h"},
		{name: "pause_above", takes: aMapping, shape: "pause_above", off: true, says: "a run that reaches more waits for an operator's word before its first message"},
	},
	"pause_above": {
		{name: "share", takes: aShare, says: "more than this share of who waits for the subject: 25%"},
		{name: "at_least", takes: aCount, says: "and more than this many"},
	},
	"message":              append(messageKeys(), key{name: "for", takes: someNames, shape: "message of a channel", says: "another message for a channel, by the name of its instance"}),
	"message of a channel": messageKeys(),
	"card":                 cardKeys(),
	"gallery":              append([]key{{name: "each", must: true, takes: aList, says: "the items that get a card, 10 at most; el is the item in the card's texts"}}, cardKeys()...),
	"button": {
		{name: "title", must: true, takes: aText, says: "what the button says, 80 characters at most"},
		{name: "url", must: true, takes: aLink, says: "the page it opens"},
	},
	"quick_reply": {
		{name: "title", must: true, takes: aText, says: "what the tap says, 80 characters at most"},
		{name: "payload", takes: aText, says: "what comes back with the tap; the title"},
	},
	"template": {
		{name: "name", must: true, takes: aWord, says: "the name under which the platform approved it"},
		{name: "language", must: true, takes: aWord, says: "its language: en_US"},
		{name: "params", takes: someTexts, says: "what fills its places, in their order"},
	},
}

func messageKeys() []key {
	return []key{
		{name: "text", takes: aText, says: "a text, 2,000 characters at most"},
		{name: "card", takes: aMapping, shape: "card", says: "a title with a picture, a text or buttons"},
		{name: "gallery", takes: aMapping, shape: "gallery", says: "a card of each item of a list, 10 at most"},
		{name: "image", takes: aLink, says: "a picture, by its address"},
		{name: "template", takes: aMapping, shape: "template", says: "a text that the platform approved before, by name"},
		{name: "quick_reply", takes: aMapping, shape: "quick_reply", says: "one tap that answers the message"},
	}
}

func cardKeys() []key {
	return []key{
		{name: "title", must: true, takes: aText, says: "80 characters at most"},
		{name: "subtitle", takes: aText, says: "80 characters at most"},
		{name: "image", takes: aLink, says: "a picture, by its address"},
		{name: "url", takes: aLink, says: "where a tap on the card leads"},
		{name: "buttons", takes: someOf, shape: "button", says: "at most 3"},
	}
}
