// Tags: what an operator notes of a person, for conditions and for the order of a run. Never set by the person.

package core

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/onetimenotify/otn/core/dispatch"
	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// Limits of a person's tags: how many, and how many characters one has.
const (
	MaxTags = 64
	MaxTag  = 64
)

// TagsKey is the document of a person's tags: a JSON list of texts, sorted.
func TagsKey(p otn.PersonID) string { return dispatch.TagsKey(p) }

// TagChange says what becomes of a person's tags: Set replaces them where it is not nil, then Add and Remove change them.
type TagChange struct {
	Set    []string
	Add    []string
	Remove []string
}

func (h *Host) tagsOf(p otn.PersonID) (tags []string, d ledger.Doc, err error) {
	d, ok, err := h.ledger.Doc(TagsKey(p))
	if err != nil || !ok {
		return nil, d, err
	}
	return tags, d, json.Unmarshal(d.Value, &tags)
}

// Tag changes the tags of a person, and returns them as they are then, sorted. The person need not be known yet: tags may come
// before the first consent. Errors: otn.ErrNotFound for a channel that is not configured, otn.ErrInvalid for a tag that is
// empty, over MaxTag characters, begins with + or -, or holds a space, a comma or a character that does not print, and for more than MaxTags.
func (h *Host) Tag(ctx context.Context, channel, subscriber string, c TagChange) ([]string, error) {
	if err := h.await(ctx); err != nil {
		return nil, err
	}
	if h.config.Channels[channel] == nil {
		return nil, fmt.Errorf("core: channel %q: %w", channel, otn.ErrNotFound)
	}
	if subscriber == "" {
		return nil, fmt.Errorf("core: no subscriber is named: %w", otn.ErrInvalid)
	}
	if err := CheckTags(slices.Concat(c.Set, c.Add, c.Remove)...); err != nil {
		return nil, err
	}
	person := h.ledger.Person(channel, subscriber)
	for {
		var b ledger.Batch
		if err := h.changeTags(&b, person, &c); err != nil {
			return nil, err
		}
		if len(b.Docs) > 0 {
			if err := h.ledger.Commit(ctx, &b); errors.Is(err, otn.ErrConflict) {
				continue
			} else if err != nil {
				return nil, err
			}
		}
		tags, _, err := h.tagsOf(person)
		return tags, err
	}
}

// tagEach adds the tags of consents that were taken to those of their people, in one batch. Where that cannot be, out says so.
func (h *Host) tagEach(ctx context.Context, out []GrantedEach, consents []otn.Consent, at []int) error {
	add, rows := map[otn.PersonID]*TagChange{}, map[otn.PersonID][]int{}
	var people []otn.PersonID
	for i := range consents {
		c := &consents[i]
		if len(c.Tags) == 0 {
			continue
		}
		p := h.ledger.Person(c.Channel, c.Subscriber.ID)
		if add[p] == nil {
			add[p] = &TagChange{}
			people = append(people, p)
		}
		add[p].Add = append(add[p].Add, c.Tags...)
		rows[p] = append(rows[p], at[i])
	}
	for len(people) > 0 {
		var b ledger.Batch
		for _, p := range people {
			if err := h.changeTags(&b, p, add[p]); errors.Is(err, otn.ErrInvalid) {
				for _, row := range rows[p] {
					out[row].Err = fmt.Errorf("the consent was taken, and its tags were not: %w", err)
				}
			} else if err != nil {
				return err
			}
		}
		if len(b.Docs) == 0 {
			return nil
		}
		if err := h.ledger.Commit(ctx, &b); !errors.Is(err, otn.ErrConflict) {
			return err
		}
	}
	return nil
}

// changeTags adds to a batch what a change makes of a person's tags, nothing where that is what they are.
func (h *Host) changeTags(b *ledger.Batch, person otn.PersonID, c *TagChange) error {
	before, doc, err := h.tagsOf(person)
	if err != nil {
		return err
	}
	tags := c.of(before)
	if len(tags) > MaxTags {
		return fmt.Errorf("core: %d tags, %d at most: %w", len(tags), MaxTags, otn.ErrInvalid)
	}
	if slices.Equal(tags, before) {
		return nil
	}
	next := &ledger.Doc{Key: doc.Key, Rev: doc.Rev}
	if len(tags) > 0 {
		next.Value = mustJSON(tags)
	}
	b.Docs = append(b.Docs, next)
	b.Decisions = append(b.Decisions, ledger.Decision{
		Person: person, At: h.config.Clock.Now(), Verdict: otn.Yes, Because: difference(before, tags), Facts: mustJSON(story{Kind: tagStory}),
	})
	return nil
}

// of is what a change makes of tags.
func (c *TagChange) of(before []string) []string {
	tags := slices.Clone(before)
	if c.Set != nil {
		tags = slices.Clone(c.Set)
	}
	tags = append(tags, c.Add...)
	tags = slices.DeleteFunc(tags, func(t string) bool { return slices.Contains(c.Remove, t) })
	slices.Sort(tags)
	return slices.Compact(tags)
}

// CheckTags refuses what Tag would refuse. Errors: otn.ErrInvalid.
func CheckTags(tags ...string) error {
	for _, tag := range tags {
		if err := checkTag(tag); err != nil {
			return err
		}
	}
	return nil
}

func checkTag(tag string) error {
	switch {
	case tag == "":
		return fmt.Errorf("core: an empty tag: %w", otn.ErrInvalid)
	case !utf8.ValidString(tag) || utf8.RuneCountInString(tag) > MaxTag:
		return fmt.Errorf("core: a tag has at most %d characters: %w", MaxTag, otn.ErrInvalid)
	case tag[0] == '+' || tag[0] == '-':
		return fmt.Errorf("core: tag %q begins with %c, which adds or removes one: %w", tag, tag[0], otn.ErrInvalid)
	case strings.ContainsFunc(tag, func(r rune) bool { return r == ',' || unicode.IsSpace(r) || !unicode.IsPrint(r) }):
		return fmt.Errorf("core: tag %q holds a space, a comma or what does not print: %w", tag, otn.ErrInvalid)
	}
	return nil
}

// difference tells what changed.
func difference(before, after []string) string {
	var parts []string
	for _, t := range after {
		if !slices.Contains(before, t) {
			parts = append(parts, "+"+t)
		}
	}
	for _, t := range before {
		if !slices.Contains(after, t) {
			parts = append(parts, "-"+t)
		}
	}
	return strings.Join(parts, " ")
}
