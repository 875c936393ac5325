// What the platform does with messages: a list of answers, one for each call, by channel.

package ruletest

import (
	"fmt"
	"slices"

	"github.com/onetimenotify/otn/plugins/channel"
	"github.com/onetimenotify/otn/plugins/mock"
	"github.com/onetimenotify/otn/rules"
)

// script is how the platform behaves.
type script struct {
	steps  []mock.Step
	single bool // it refuses a token's second use
}

// answers are the words for what a platform does with a message.
func answers() []string {
	return []string{"ok", "accept", "refuse", "throttle", "invalid", "fail", "crash"}
}

// channel reads a script: a list of answers, or {single_use: true, answers: […]}.
func (p *parser) channel(n rules.Node) (s script) {
	if !n.There() {
		return s
	}
	if n.IsMapping() {
		if !n.Mapping("channel", nil, []string{"single_use", "answers"}) {
			return s
		}
		if one := n.Get("single_use"); one.There() {
			s.single = one.Choice("single_use", "true", "false") == "true"
		}
		n = n.Get("answers")
	}
	if !n.There() || !n.List("channel") {
		return s
	}
	for _, a := range n.Items() {
		s.steps = append(s.steps, p.reply(a))
	}
	return s
}

// reply reads one answer: a word, or {throttle: 5m}, {accept: true, then: crash}, {refuse: true, for: ann, times: 2}.
func (p *parser) reply(n rules.Node) mock.Step {
	step := mock.Step{Do: mock.Accept, Times: 1}
	if n.IsPlain() {
		step.Do = deed(n.Choice("an answer", answers()...))
		return step
	}
	if !n.Mapping("an answer", nil, append(answers(), "then", "for", "times")) {
		return step
	}
	what := ""
	for _, pair := range n.Pairs() {
		word := pair.Key.Text()
		if !slices.Contains(answers(), word) {
			continue
		}
		if what != "" {
			pair.Key.Fault(codeStep, fmt.Sprintf("an answer is one thing, and here are %s and %s", what, word), "")
		}
		what, step.Do = word, deed(word)
		if word == "throttle" && pair.Value.Text() != "true" {
			d, _ := pair.Value.Duration("throttle")
			step.After = channel.Duration(d)
			continue
		}
		pair.Value.Choice(word, "true")
	}
	if what == "" {
		n.Fault(codeStep, "an answer says what the platform does", "for example {accept: true}, {refuse: true} or {throttle: 5m}")
	}
	p.replyMore(n, &step)
	return step
}

// replyMore reads what may stand beside an answer.
func (p *parser) replyMore(n rules.Node, step *mock.Step) {
	if then := n.Get("then"); then.There() && then.Choice("then", "crash") == "crash" {
		if step.Do != mock.Accept {
			then.Fault(codeStep, "then: crash follows an accept", "a platform that takes nothing is {crash: true}")
		}
		step.Do = mock.AcceptCrash
	}
	if who := n.Get("for"); who.There() {
		step.Match, _ = who.Word("for")
	}
	if times := n.Get("times"); times.There() {
		step.Times = max(number(times, "times", maxCount), 1)
	}
}

func deed(word string) mock.Deed {
	switch word {
	case "refuse":
		return mock.Refuse
	case "throttle":
		return mock.Throttle
	case "invalid":
		return mock.Fault
	case "fail":
		return mock.Fail
	case "crash":
		return mock.Crash
	}
	return mock.Accept
}

// config is the mock that behaves so. One message at a time: the order is that of the answers.
func (s script) config() mock.Config {
	return mock.Config{Script: slices.Clone(s.steps), SingleUseToken: s.single, MaxInFlight: 1, Account: "test"}
}
