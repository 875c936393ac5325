// The codes of faults: stable for ever, one line of meaning each.

package rules

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

	codeConstant = "R801"
	codeSame     = "R802"
	codeUnused   = "R803"

	codeInternal = "R901"
)

// Codes lists every code with its meaning.
func Codes() map[string]string {
	return map[string]string{
		codeYAML:      "the file is not YAML",
		codeTooLarge:  "a file is larger than 1 MiB",
		codeEncoding:  "a file is not UTF-8, or holds a control character",
		codeDocuments: "a file holds more than one YAML document, or a directive",
		codeAnchor:    "anchors, aliases and merge keys are not used in rule files",
		codeTag:       "YAML took the beginning of a value for a tag",
		codeTwice:     "a key appears twice in one mapping",
		codeKey:       "a key that does not exist here",
		codeMissing:   "a key that must be there is missing or empty",
		codeShape:     "a mapping, a list or a plain value stands where another is wanted",
		codeVersion:   "the version of the rule language is not one that this program knows",
		codeCut:       "YAML cut a value at a # and took the rest for a comment",
		codeComma:     "YAML split a value at a comma, because it stands unquoted inside { } or [ ]",
		codeFolded:    "a value with an expression runs over several lines in a style that YAML folds",
		codeDeep:      "a file is nested too deeply",

		codeName:      "a name or an id is not well formed",
		codeReserved:  "a name hides a built-in one",
		codeType:      "a type that does not exist",
		codeDefault:   "a default does not fit its type, or contradicts another key",
		codeChoice:    "a value is not one of those that are possible",
		codeZone:      "a time zone that does not exist",
		codeDeclared:  "the same id or name is declared twice",
		codeNoTopic:   "a rule names a topic that is not declared",
		codeNoTrigger: "a rule is on a trigger that is not declared",
		codeOn:        "what a rule is on does not fit its topic",
		codeCron:      "a cron line is not well formed",
		codeFire:      "fire does not fit the rule",
		codeRange:     "a number is outside its limits",
		codeSpan:      "a duration cannot be read, or is too short or too long",
		codeFits:      "a key that can do nothing here",
		codeHours:     "hours of the day that cannot be read",
		codeLimit:     "a limit that cannot be read, or bounds nothing",
		codeOrder:     "an order that cannot be read",
		codeMoment:    "a moment that cannot be read",
		codeAskOn:     "what an ask is on does not fit its topic",

		codeSyntax:    "an expression cannot be read",
		codeUnknown:   "a name that does not exist",
		codeField:     "a field that its object does not have",
		codeFunction:  "a function that does not exist",
		codeArgument:  "an argument has the wrong type, or there are too few or too many",
		codeMismatch:  "an operator between two types that it does not join",
		codeResult:    "an expression gives another type than is wanted here",
		codeForbidden: "a construct of the expression syntax that rules do not use",
		codeMoney:     "money is compared or joined with a bare number",
		codeLiteral:   "a literal of money, date, duration or zone cannot be read",
		codeFloat:     "numbers with decimals are compared for equality",
		codeSize:      "an expression is too long, too deep or has too many parts",
		codeCost:      "an expression can cost too much",
		codeScope:     "a name that exists, but not here",

		codeTemplate:     "a ${ in a text is not closed, or empty",
		codeLength:       "a text is longer than can be sent",
		codeURL:          "a link is not http or https",
		codeForm:         "a message is not exactly one of text, card, gallery, image and template",
		codeCount:        "too many cards or buttons",
		codePrints:       "a value of this type cannot stand in a text",
		codeTemplateName: "the name or the language of a template is not a plain word",

		codeConstant: "a condition is always true, or always false",
		codeSame:     "both sides of an operator are the same",
		codeUnused:   "a param is declared and never used",

		codeInternal: "a fault of otn itself: please report it",
	}
}
