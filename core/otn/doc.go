// Package otn is the vocabulary of otn: the nouns, the outcomes, money, the errors and the few
// interfaces that cross from one room to another. It knows no store, no rule language and no platform,
// and imports the standard library only.
//
// The nouns follow one consent through its life: a [Subscriber] is asked about a [Topic] and grants a
// [Consent], which holds a [Token]. A source makes an [Observation] of an [Item] or a [Collection]; what
// changed becomes an [Event]. A rule that finds the event worth telling makes a [Match], which is carried
// out as a [Run]; for each subscriber it reaches there is one [Delivery] with one [Outcome].
package otn
