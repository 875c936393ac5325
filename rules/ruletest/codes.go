// The codes of faults in test files: stable for ever, one line of meaning each.

package ruletest

// The codes. What a test file shares with a rule file has the codes of package rules.
const (
	codeRules     = "T001"
	codeStep      = "T002"
	codeNoRule    = "T003"
	codeNoTopic   = "T004"
	codeNoSubject = "T005"
	codeNoPerson  = "T006"
	codeSeveral   = "T007"
	codeValue     = "T008"
	codeFact      = "T009"
	codeReason    = "T010"
	codeNoExpect  = "T011"
	codeTwice     = "T012"
	codeField     = "T013"
	codeAnswer    = "T014"
)

// Codes lists every code with its meaning.
func Codes() map[string]string {
	return map[string]string{
		codeRules:     "a rule file that a test names is not there, or finds no file",
		codeStep:      "a step is not exactly one of those that exist",
		codeNoRule:    "a rule that the rule files do not have",
		codeNoTopic:   "a topic that the rule files do not have",
		codeNoSubject: "a subject that the test never speaks of otherwise",
		codeNoPerson:  "a person who gives no consent in this test",
		codeSeveral:   "a person has several consents, and which one is meant is not said",
		codeValue:     "a value is not of the kind that is wanted here",
		codeFact:      "a fact of an item or a collection is not well formed",
		codeReason:    "a reason that does not exist",
		codeNoExpect:  "a test expects nothing, so that it cannot fail",
		codeTwice:     "two tests have one name",
		codeField:     "what is expected has no such field",
		codeAnswer:    "an answer or a field that the rules do not declare, or of another type",
	}
}
