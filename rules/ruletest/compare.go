// What was expected against what happened since the last expect, and how a difference is told.

package ruletest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/otn"
)

// happened is one thing that happened, field by field.
type happened struct {
	name   string
	fields map[string]string
}

// expect compares, and forgets what it has seen.
func (w *world) expect(e *expectation) error {
	sends, replies, calls, asks := w.take()
	if e.anySends {
		w.compare("sends", e.lines["sends"], e.sends, sends)
	}
	w.compareCounts(e, sends)
	if e.anyReplies {
		w.compare("replies", e.lines["replies"], e.replies, replies)
	}
	if e.anyAsks {
		w.compare("asks", e.lines["asks"], e.asks, asks)
	}
	if e.calls != nil && *e.calls != calls {
		w.differs(e.lines["provider_calls"], "provider_calls", strconv.Itoa(*e.calls), strconv.Itoa(calls))
	}
	for _, s := range e.consents {
		if err := w.compareState(s); err != nil {
			return err
		}
	}
	if err := w.compareSkips(e.skips); err != nil {
		return err
	}
	return w.compareRuns(e)
}

// take is what the channels did since the last expect, in the order of time.
func (w *world) take() (sends, replies []happened, calls int, asks []happened) {
	var all []sent
	for _, l := range w.channels {
		l.mu.Lock()
		all = append(all, l.sent...)
		calls += l.calls
		for _, r := range l.replies {
			replies = append(replies, w.reply(&r))
		}
		l.sent, l.replies, l.calls = nil, nil, 0
		asked := l.Asks()[l.asked:]
		l.asked += len(asked)
		l.mu.Unlock()
		for _, a := range asked {
			asks = append(asks, w.asked(a))
		}
	}
	slices.SortStableFunc(all, func(a, b sent) int { return a.at.Compare(b.at) })
	for i := range all {
		sends = append(sends, w.sent(&all[i]))
	}
	return sends, replies, calls, asks
}

// reply is what was said into an open window, field by field.
func (w *world) reply(s *sent) happened {
	out := happened{"to " + s.Subscriber.ID, map[string]string{"sub": s.Subscriber.ID, "channel": s.Channel, "at": w.show(s.at)}}
	flatten(out.fields, "", tree(s.Message))
	return out
}

// sent is a message field by field.
func (w *world) sent(s *sent) happened {
	out := happened{fields: map[string]string{
		"sub": s.Subscriber.ID, "channel": s.Channel, "at": w.show(s.at), "attempt": strconv.Itoa(s.Attempt), "form": string(s.Message.Form()),
	}}
	if key, ok := w.keys[s.Token.ID().String()]; ok {
		out.fields["topic"], out.fields["subject"] = key.topic, key.subject
	}
	if d, err := w.host.DeliveryByID(s.Delivery.ID.String()); err == nil {
		out.fields["rule"] = d.Rule
	} else if run, err := w.host.RunByID(s.Delivery.ID.Run().String()); err == nil {
		out.fields["rule"] = run.Rule
	}
	flatten(out.fields, "", tree(s.Message))
	out.name = out.fields["rule"] + " to " + s.Subscriber.ID
	return out
}

func (w *world) asked(a otn.Ask) happened {
	return happened{a.Topic + " to " + a.Subscriber.ID, map[string]string{
		"sub": a.Subscriber.ID, "channel": a.Channel, "topic": a.Topic, "subject": a.Subject, "title": a.Title,
	}}
}

// tree is a value as JSON sees it.
func tree(v any) (out any) {
	b, err := json.Marshal(v)
	if err == nil {
		d := json.NewDecoder(strings.NewReader(string(b)))
		d.UseNumber()
		err = d.Decode(&out)
	}
	if err != nil {
		return nil // what this package passes in can be written and read
	}
	return out
}

// flatten writes every leaf of a tree under its path.
func flatten(into map[string]string, path string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for name, below := range v {
			flatten(into, path+"."+name, below)
		}
	case []any:
		for i, below := range v {
			flatten(into, path+"."+strconv.Itoa(i), below)
		}
	default:
		into[strings.TrimPrefix(path, ".")] = fmt.Sprint(v)
	}
}

// same compares two texts. Blanks that do not break, as they stand between an amount and its currency, are blanks.
func same(a, b string) bool {
	plain := strings.NewReplacer("\u00a0", " ", "\u202f", " ")
	return a == b || plain.Replace(a) == plain.Replace(b)
}

// fits reports whether everything that is wanted is so.
func fits(w *want, h *happened) bool {
	for _, f := range w.fields {
		if !same(h.fields[f.path], f.text) {
			return false
		}
	}
	return true
}

// pairs finds for as many wants as possible something that happened, each for one: -1 for none.
func pairs(wants []want, all []happened) (of []int, taken []bool) {
	owner := make([]int, len(all))
	for i := range owner {
		owner[i] = -1
	}
	var find func(i int, tried []bool) bool
	find = func(i int, tried []bool) bool {
		for j := range all {
			if tried[j] || !fits(&wants[i], &all[j]) {
				continue
			}
			tried[j] = true
			if owner[j] < 0 || find(owner[j], tried) {
				owner[j] = i
				return true
			}
		}
		return false
	}
	for i := range wants {
		find(i, make([]bool, len(all)))
	}
	of, taken = make([]int, len(wants)), make([]bool, len(all))
	for i := range of {
		of[i] = -1
	}
	for j, i := range owner {
		if i >= 0 {
			of[i], taken[j] = j, true
		}
	}
	return of, taken
}

// compare tells what is wanted and did not happen, and what happened and is not wanted.
func (w *world) compare(what string, line int, wants []want, all []happened) {
	of, taken := pairs(wants, all)
	for i := range wants {
		if of[i] >= 0 {
			continue
		}
		if near := nearest(&wants[i], all, taken); near >= 0 {
			taken[near] = true
			w.apart(what, &wants[i], &all[near])
			continue
		}
		w.fail(Failure{Line: wants[i].line, What: what, Expected: wants[i].name(), Got: "nothing of the kind", Why: w.why(what, &wants[i])})
	}
	for j := range all {
		if !taken[j] {
			w.fail(Failure{Line: line, What: what, Expected: "nothing more", Got: all[j].name + brief(&all[j])})
		}
	}
}

// nearest is what is not taken and differs least, of the same rule and person; -1 for none.
func nearest(want *want, all []happened, taken []bool) int {
	best, fewest := -1, 1<<30
	for j := range all {
		if taken[j] {
			continue
		}
		wrong, other := 0, false
		for _, f := range want.fields {
			if !same(all[j].fields[f.path], f.text) {
				wrong++
				other = other || f.path == "sub" || f.path == "rule" || f.path == "topic"
			}
		}
		if !other && wrong < fewest {
			best, fewest = j, wrong
		}
	}
	return best
}

// apart tells field by field where two differ.
func (w *world) apart(what string, want *want, h *happened) {
	for _, f := range want.fields {
		got, there := h.fields[f.path]
		if same(got, f.text) {
			continue
		}
		if !there {
			got = "(none)"
		}
		w.fail(Failure{Line: want.line, What: what + ": " + want.name() + ": " + f.path, Expected: f.text, Got: got})
	}
}

// brief is what a message says, in a few words.
func brief(h *happened) string {
	for _, path := range []string{"text", "card.title", "gallery.0.title", "image", "template.name", "title", "state"} {
		if text := h.fields[path]; text != "" {
			return ": " + text
		}
	}
	return ""
}

func (w *world) compareCounts(e *expectation, sends []happened) {
	by := map[string]int{}
	for _, s := range sends {
		by[s.fields["rule"]]++
	}
	if e.count != nil && *e.count != len(sends) {
		w.differs(e.lines["sends_count"], "sends_count", strconv.Itoa(*e.count), fmt.Sprintf("%d%s", len(sends), counted(by)))
	}
	for _, rule := range keysOf(e.counts) {
		if want := e.counts[rule]; want != by[rule] {
			w.differs(e.lines["sends_count"], "sends_count: "+rule, strconv.Itoa(want), strconv.Itoa(by[rule]))
		}
	}
}

func counted(by map[string]int) string {
	parts := make([]string, 0, len(by))
	for _, rule := range keysOf(by) {
		parts = append(parts, fmt.Sprintf("%s %d", rule, by[rule]))
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

func (w *world) compareState(s state) error {
	id, there := w.ids[s.key]
	if !there {
		w.fail(Failure{Line: s.line, What: "consents: " + s.key.String(), Expected: s.text, Got: "not given yet"})
		return nil
	}
	c, err := w.host.Consent(id)
	if err != nil {
		return err
	}
	if c.State != s.text {
		w.fail(Failure{Line: s.line, What: "consents: " + s.key.String(), Expected: s.text, Got: c.State, Why: w.storyOf(s.key.sub, "", s.key)})
	}
	return nil
}

// reasonKey tells two reasons apart.
func reasonKey(sub string, r *core.Reason) string {
	return strings.Join([]string{sub, strconv.FormatInt(r.At.UnixNano(), 10), r.Consent, r.Rule, r.Run, r.Verdict, r.Code, r.Because}, "\x00")
}

// fresh are the reasons about a person that no expect has spoken of. Those of all persons that matter are noted at every expect.
func (w *world) fresh(sub string) ([]core.Reason, error) {
	if len(w.idsOf(sub)) == 0 {
		return nil, nil
	}
	why, err := w.host.Why(w.channelOf(sub), sub, "")
	if err != nil {
		return nil, err
	}
	now := map[string]int{}
	var list []core.Reason
	for i := range why.Reasons {
		r := &why.Reasons[i]
		key := reasonKey(sub, r)
		if now[key]++; now[key] > w.seen[key] {
			list = append(list, *r)
		}
	}
	for key, n := range now {
		w.seen[key] = n
	}
	return list, nil
}

func (w *world) idsOf(sub string) (list []string) {
	for k, id := range w.ids {
		if k.sub == sub {
			list = append(list, id)
		}
	}
	return list
}

func (w *world) compareSkips(skips []want) error {
	for _, sub := range keysOf(w.test.persons) {
		list, err := w.fresh(sub)
		if err != nil {
			return err
		}
		for i := range skips {
			if skips[i].get("sub") == sub {
				w.compareSkip(&skips[i], list)
			}
		}
	}
	return nil
}

// compareSkip looks for a reason like the one that is expected.
func (w *world) compareSkip(s *want, list []core.Reason) {
	var got, values []string
	for _, r := range list {
		if r.Verdict == "granted" || s.get("rule") != "" && s.get("rule") != r.Rule ||
			s.get("topic") != "" && s.get("topic") != r.Topic || s.get("subject") != "" && s.get("subject") != r.Subject {
			continue
		}
		code := r.Code
		if code == "" {
			code = r.Verdict
		}
		if r.Verdict != "sent" && (s.get("because") == "" || s.get("because") == code) {
			return
		}
		got, values = append(got, strings.TrimSuffix(code+": "+core.InZone(r.Because, w.show), ": ")), r.Values
	}
	expected := s.get("because")
	if expected == "" {
		expected = "skipped"
	}
	if len(got) == 0 {
		got = []string{"nothing was decided about them"}
	}
	w.fail(Failure{Line: s.line, What: "skips: " + s.name(), Expected: expected, Got: strings.Join(got, "; "), Why: values})
}

// compareRuns looks at the runs that were made or changed since the last expect, and at those that are open.
func (w *world) compareRuns(e *expectation) error {
	list, _, err := w.host.Runs(core.RunQuery{Limit: 1000})
	if err != nil {
		return err
	}
	var all []happened
	for _, run := range slices.Backward(list) {
		before, seen := w.runsSeen[run.ID]
		w.runsSeen[run.ID] = run
		if seen && before == run && (run.State == "done" || run.State == "cancelled") {
			continue
		}
		h := happened{run.Rule, map[string]string{}}
		flatten(h.fields, "", tree(run))
		h.fields["at"] = w.show(run.At)
		all = append(all, h)
	}
	if e.anyRuns {
		w.compare("runs", e.lines["runs"], e.runs, all)
	}
	return nil
}

// why explains, where it can, why a message that is expected did not come: what was last decided about the person.
func (w *world) why(what string, want *want) []string {
	if what != "sends" || want.get("sub") == "" {
		return nil
	}
	return w.storyOf(want.get("sub"), want.get("rule"), consentKey{})
}

// storyOf is the latest reason about a person that a rule gave, with the values of its when.
func (w *world) storyOf(sub, rule string, key consentKey) []string {
	if len(w.idsOf(sub)) == 0 {
		return nil
	}
	why, err := w.host.Why(w.channelOf(sub), sub, rule)
	if err != nil {
		return nil
	}
	for _, r := range slices.Backward(why.Reasons) {
		if key.topic != "" && (r.Topic != key.topic || r.Subject != key.subject) {
			continue
		}
		if r.Verdict == "granted" {
			return []string{"nothing was decided about " + sub + " since they agreed"}
		}
		words := strings.TrimSuffix(r.Verdict+": "+r.Because, ": ")
		if len(r.Values) > 0 && (r.Values[0] == words || r.Values[0] == r.Verdict) {
			r.Values = r.Values[1:]
		}
		words = core.InZone(words, w.show)
		for i := range r.Values {
			r.Values[i] = core.InZone(r.Values[i], w.show)
		}
		if r.Code == core.FirstSight {
			r.Values = append(r.Values, "say under given, items, what was known before")
		}
		return append([]string{fmt.Sprintf("%s, %s: %s", w.show(r.At), r.Rule, words)}, r.Values...)
	}
	return []string{"nothing was decided about " + sub}
}

// differs notes a difference of two values.
func (w *world) differs(line int, what, expected, got string) {
	w.fail(Failure{Line: line, What: what, Expected: expected, Got: got})
}

// fail notes a difference. What explains one already is not told again.
func (w *world) fail(f Failure) {
	for i := range w.failures {
		if slices.Equal(w.failures[i].Why, f.Why) {
			f.Why = nil
		}
	}
	w.failures = append(w.failures, f)
}
