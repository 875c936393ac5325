// Ids and outcomes: derived, reversible, and safe when they are not understood.

package otn

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestRunsSortByTimeAndAreOne(t *testing.T) {
	at := time.Date(2026, 11, 27, 9, 0, 0, 0, time.UTC)
	s := Subject{ItemKind, "coat"}
	run := NewRunID("r", s, "e1", at)
	if run != NewRunID("r", s, "e1", at.Add(time.Millisecond)) {
		t.Error("one cause has two runs")
	}
	if run.String() >= NewRunID("r", s, "e2", at.Add(time.Second)).String() {
		t.Error("a younger run sorts before an older one")
	}
	for _, other := range []RunID{NewRunID("r2", s, "e1", at), NewRunID("r", Subject{CollectionKind, "coat"}, "e1", at), NewRunID("r", s, "e2", at)} {
		if other == run {
			t.Error("two causes have one run")
		}
	}
}

func TestDeliveryIDIsBothItsParts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var run RunID
		var person PersonID
		copy(run[:], rapid.SliceOfN(rapid.Byte(), len(run), len(run)).Draw(t, "run"))
		copy(person[:], rapid.SliceOfN(rapid.Byte(), len(person), len(person)).Draw(t, "person"))
		id := NewDeliveryID(run, person)
		back, err := ParseDeliveryID(id.String())
		if err != nil || back != id || back.Run() != run || back.Person() != person || len(id.String()) != 40 {
			t.Fatalf("%s: %s, %v", id, back, err)
		}
	})
}

func TestOutcomeOf(t *testing.T) {
	deferred := &SendError{Outcome: Deferred, After: time.Minute, Code: "limit", Err: errors.New("slow down")}
	for _, c := range []struct {
		err  error
		want Outcome
	}{
		{nil, Sent}, {errors.New("the line went dead"), Unknown}, {deferred, Deferred}, {fmt.Errorf("wrapped: %w", deferred), Deferred},
		{&SendError{Outcome: Refused}, Refused}, {&SendError{}, Unknown},
		{&SendError{Outcome: Sent}, Unknown}, // an error never says that something was sent
		{&SendError{Outcome: Invalid + 1}, Unknown},
	} {
		got, se := OutcomeOf(c.err)
		if got != c.want || (se == nil) != (c.err == nil) || se != nil && se.Outcome != got {
			t.Errorf("%v: %s, %+v", c.err, got, se)
		}
	}
	if got := deferred.Error(); got != "slow down [limit]" {
		t.Error(got)
	}
}

func TestNamesOfOutcomes(t *testing.T) {
	for o := Unknown; o <= Invalid; o++ {
		var back Outcome
		if err := back.UnmarshalText([]byte(o.String())); err != nil || back != o {
			t.Errorf("%s reads as %s", o, back)
		}
	}
	var o Outcome
	if err := o.UnmarshalText([]byte("delivered, surely")); err != nil || o != Unknown {
		t.Error("a word that nobody knows is not unknown")
	}
	if Outcome(99).String() != "unknown" || (Outcome)(0) != Unknown {
		t.Error("an outcome that does not exist is not unknown")
	}
	for v := No; v <= Holds; v++ {
		var back Verdict
		if err := back.UnmarshalText([]byte(v.String())); err != nil || back != v {
			t.Errorf("%s reads as %s", v, back)
		}
	}
}
