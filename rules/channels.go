// The rules against the channels that will carry their messages: what falls back to another form, and what nobody gets.

package rules

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/onetimenotify/otn/core/otn"
)

// Through says what becomes of the messages of the rules in the channels of this shop, by instance: a form that one cannot
// carry, a template that it cannot send, an instance under for that is not there. nil stands for an instance of which
// nobody knows what it can do. What it finds are warnings and notes, in the order of the rules.
func (s *Set) Through(instances map[string]*otn.Capabilities) []*Error {
	lines := map[string]*source{}
	for _, f := range s.origin.Files {
		lines[f.Name] = newSource(f)
	}
	var found []*Error
	for _, r := range s.rules {
		src, ok := lines[r.File]
		if !ok { // an operator's send
			continue
		}
		src.faults = nil
		src.strangers(r, instances)
		for _, name := range slices.Sorted(maps.Keys(instances)) {
			if can := instances[name]; can != nil && (can.Sends || len(can.Forms) > 0) {
				src.fallsBack(r, name, can)
			}
		}
		found = append(found, src.faults...)
	}
	return found
}

// strangers finds channels under for that this shop does not have.
func (s *source) strangers(r *rule, instances map[string]*otn.Capabilities) {
	for _, name := range slices.Sorted(maps.Keys(r.letter.channels)) {
		if _, ok := instances[name]; !ok {
			s.warn(r.letter.channels[name].at, codeNoChannel, fmt.Sprintf("there is no channel %q", name), didYouMean(name, slices.Sorted(maps.Keys(instances))))
		}
	}
}

// fallsBack says which form a message takes where an instance does not carry its own.
func (s *source) fallsBack(r *rule, instance string, can *otn.Capabilities) {
	l := r.letter.through(instance)
	form := l.form()
	hint := fmt.Sprintf("message.for: {%s: …} says it in other words there", instance)
	switch {
	case can.Carries(form):
	case form == otn.TemplateForm:
		s.warn(l.at, codeFallback, fmt.Sprintf("%s carries no templates: nobody is told through it", instance), hint)
		return
	case form == otn.GalleryForm && can.Carries(otn.CardForm):
		s.note(l.at, codeFallback, fmt.Sprintf("%s carries no gallery: people get its first card", instance), hint)
	case form == otn.ImageForm:
		s.note(l.at, codeFallback, fmt.Sprintf("%s carries no image: people get its address as text", instance), hint)
	default:
		s.note(l.at, codeFallback, fmt.Sprintf("%s carries no %s: people get it as text", instance, strings.ToLower(string(form))), hint)
	}
	if l.reply != nil && !can.QuickReply {
		s.note(l.at, codeFallback, fmt.Sprintf("%s carries no quick reply: it is left out", instance), "")
	}
}

// form is the form that a message has before any channel is asked.
func (l *letter) form() otn.Form {
	switch {
	case l.card != nil:
		return otn.CardForm
	case l.gallery != nil || len(l.cards) > 0:
		return otn.GalleryForm
	case l.image != nil:
		return otn.ImageForm
	case l.template != nil:
		return otn.TemplateForm
	}
	return otn.TextForm
}
