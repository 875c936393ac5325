// Package rules decides. It reads rule files, finds every fault in them before anything runs, and answers for each
// event and each consent whether a person is told, and with which words; how a run is carried out, and who is asked for
// consent by themselves.
//
// A file is YAML for the shape; conditions, lists and the ${…} of a text are expressions in the syntax of
// github.com/expr-lang/expr. [Check] reports all faults at once, [Compile] makes a [Set], which is immutable and
// may be used from many goroutines. The package is pure: it has no clock, no disk and no network.
//
// Nothing is nil and nothing missing is guessed. A fact that the shop has not told makes a condition undecided
// exactly where the condition needs it: false && unknown is false, true && unknown is not known. An undecided or
// failed condition never tells anybody.
package rules
