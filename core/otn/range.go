// What narrows a look over a line: an answer that must lie within some borders.

package otn

// AnswerRange names consents that may be meant by one answer. Outside, and certainly not meant, is only a consent whose
// answer is of Type (and, where Currency is set, money of that currency) and lies in none of the Spans, and, unless Absent,
// one without the answer. Whoever gave an answer of another type or currency is inside: what a rule says of those is not
// known before it looks.
type AnswerRange struct {
	Answer   string
	Type     Type
	Currency string // of all borders of Spans, where they are money
	Spans    []Span
	Absent   bool // who did not give the answer is inside
}

// Span is what lies between two values of one type, both included. The zero Value is no border on that side.
type Span struct{ Low, High Value }
