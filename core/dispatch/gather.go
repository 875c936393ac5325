// Gathering: what one person would be told of by several runs of a rule goes into one message. One consent is spent for it,
// the others wait on.

package dispatch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// gallery is what a message tells of beside its own subject. It is written down with the claim, where the facts of the
// page alone do not make the same message again.
type gallery struct {
	Parts []gathered `json:"parts,omitempty"`
	Sum   string     `json:"sum"` // of the whole message
}

// sumOf tells messages apart.
func sumOf(m *otn.Message) string {
	sum := sha256.Sum256(encode(m))
	return hex.EncodeToString(sum[:12])
}

// gathered is one consent whose news a message carries; it is not spent.
type gathered struct {
	Run     otn.RunID `json:"run"`     // that would have told it
	Subject string    `json:"subject"` // of its line
	Seq     uint64    `json:"seq"`
	Facts   otn.Facts `json:"facts"` // that its card is made from
}

// The documents' keys: what a delivery carries, and by which delivery somebody was told of another run's news.
const (
	galleryPrefix = "gallery/"
	withPrefix    = "with/"
)

func galleryKey(id otn.DeliveryID) string { return galleryPrefix + id.String() }

func withKey(run otn.RunID, p otn.PersonID) string {
	return withPrefix + run.String() + "/" + p.String()
}

// docs are what is written with the claim of a message: what it tells of, in place of what an earlier attempt did.
func (p *pick) docs(run otn.RunID) []*ledger.Doc {
	id, g := otn.NewDeliveryID(run, p.person), p.gallery
	switch {
	case g == nil && p.begun:
		return []*ledger.Doc{drop(galleryKey(id))}
	case g == nil:
		return nil
	}
	docs := []*ledger.Doc{put(galleryKey(id), g)}
	for _, other := range g.Parts {
		docs = append(docs, put(withKey(other.Run, p.person), id))
	}
	return docs
}

// toldWith reports whether somebody was told of a run's news in the message of another run, or may have been.
func (d *Dispatch) toldWith(run otn.RunID, p otn.PersonID) (bool, error) {
	_, told, err := d.With(run, p)
	return told, err
}

// With is the delivery by which somebody was told of a run's news, or may have been, if that was another run's.
func (d *Dispatch) With(run otn.RunID, p otn.PersonID) (id otn.DeliveryID, told bool, err error) {
	doc, there, err := d.Ledger.Doc(withKey(run, p))
	if err != nil || !there {
		return id, false, err
	}
	if err := decode(doc.Value, &id); err != nil {
		return id, false, err
	}
	g, err := readDoc[gallery](d, galleryKey(id))
	if err != nil || !slices.ContainsFunc(g.Parts, func(o gathered) bool { return o.Run == run }) {
		return id, false, err // its last attempt went without
	}
	by, ok, err := d.Ledger.Delivery(id)
	return id, ok && (by.Open || by.Outcome == otn.Sent || by.Outcome == otn.Unknown), err
}

// cards are what a message shows, where it can be part of a gallery.
func cards(m *otn.Message) []otn.Card {
	if m.Card != nil {
		return []otn.Card{*m.Card}
	}
	return m.Gallery
}

// gather adds to a message what else its person would be told of by runs of the same rule.
func (f *filler) gather(p *pick) error {
	own := cards(&p.message)
	if len(own) == 0 || !f.l.can.Carries(otn.GalleryForm) {
		return nil
	}
	consents, err := f.l.d.Ledger.Of(p.person)
	if err != nil {
		return err
	}
	g := &gallery{}
	for i := range consents {
		c := &consents[i]
		if c.State != ledger.Waiting || c.Topic != f.run.Topic || c.Subject == f.run.Subject.ID || !c.ExpiresAt.After(f.now) {
			continue
		}
		more, about, err := f.news(c, p.person)
		if err != nil {
			return err
		}
		twice := slices.ContainsFunc(g.Parts, func(o gathered) bool { return o.Run == about.Run })
		if len(more) > 0 && !twice && len(own)+len(more) <= otn.MaxCards {
			own, g.Parts = append(own, more...), append(g.Parts, about)
		}
	}
	if len(g.Parts) > 0 {
		p.message.Card, p.message.Gallery, p.gallery = nil, own, g
	}
	return nil
}

// note keeps what is needed to make a message again, where that is more than the facts of its page.
func (p *pick) note(needed bool) {
	if p.gallery == nil && needed {
		p.gallery = &gallery{}
	}
	if p.gallery != nil {
		p.gallery.Sum = sumOf(&p.message)
	}
}

// news are the cards that another run of the rule has for a consent, none where it has none.
func (f *filler) news(c *ledger.Consent, person otn.PersonID) ([]otn.Card, gathered, error) {
	for _, run := range f.l.d.beside(f.run, otn.Subject{Kind: f.run.Subject.Kind, ID: c.Subject}) {
		k, ok, err := f.l.d.Ledger.Candidate(run.Line(), c.Seq, f.now)
		if err != nil {
			return nil, gathered{}, err
		}
		if !ok || !run.means(k) {
			continue
		}
		list, facts, err := f.newsOf(run, k, person)
		if err != nil || len(list) > 0 {
			return list, gathered{run.ID, c.Subject, c.Seq, facts}, err
		}
	}
	return nil, gathered{}, nil
}

// newsOf are the cards that one run has for a consent, with the facts they are made from.
func (f *filler) newsOf(run *Run, k *ledger.Candidate, person otn.PersonID) ([]otn.Card, otn.Facts, error) {
	s, err := f.other(run)
	if err != nil && !errors.Is(err, otn.ErrStore) {
		return nil, otn.Facts{}, nil // it has its own lamp
	}
	if err != nil {
		return nil, otn.Facts{}, err
	}
	if _, was, err := f.l.d.Ledger.Told(run.ID, person); err != nil || was {
		return nil, otn.Facts{}, err
	}
	if with, err := f.l.d.toldWith(run.ID, person); err != nil || with {
		return nil, otn.Facts{}, err
	}
	if v, err := s.Choose(k); err != nil || v != otn.Yes {
		return nil, otn.Facts{}, err
	}
	m, err := s.Render(&k.Consent, &f.l.can)
	if errors.Is(err, otn.ErrInvalid) {
		return nil, otn.Facts{}, nil
	}
	return cards(&m), s.facts, err
}

// other is how another run of the rule sees things at the moment of the page.
func (f *filler) other(run *Run) (*sight, error) {
	if s, ok := f.others[run.ID]; ok {
		return s, nil
	}
	dips, _ := f.l.d.sinceHold(run)
	s, err := f.l.d.seeNow(run, dips, f.now)
	if err != nil {
		return nil, err
	}
	if f.others == nil {
		f.others = map[otn.RunID]*sight{}
	}
	f.others[run.ID] = s
	return s, nil
}

// beside are the open runs of a run's rule about another subject that gather, or go on after it. Those that are stopped,
// or held, say nothing.
func (d *Dispatch) beside(run *Run, s otn.Subject) (runs []*Run) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.bySubject[s] {
		if c.run.Rule == run.Rule && c.Paused == "" && (c.Stage == Gathering || c.Stage == UnderWay && !c.Began.IsZero()) {
			runs = append(runs, c.run)
		}
	}
	return runs
}

// compose makes a message again as it was, from what was written down with its claim. Errors: otn.ErrNotFound when a
// consent that it told of waits no more, otn.ErrRefused when it would be another message now.
func (d *Dispatch) compose(m *otn.Message, id otn.DeliveryID, topic string, can *otn.Capabilities) error {
	doc, there, err := d.Ledger.Doc(galleryKey(id))
	if err != nil || !there {
		return err
	}
	var g gallery
	if err := decode(doc.Value, &g); err != nil {
		return err
	}
	list := cards(m)
	for _, p := range g.Parts {
		run, ok, err := d.Run(p.Run)
		if err != nil || !ok {
			return errOr(err, otn.ErrNotFound)
		}
		c, ok, err := d.Ledger.Candidate(ledger.Line{Topic: topic, Subject: p.Subject}, p.Seq, time.Time{})
		if err != nil || !ok {
			return errOr(err, otn.ErrNotFound)
		}
		s, err := d.see(run, nil, p.Facts.Now, p.Facts.At)
		if err != nil {
			return err
		}
		other, err := s.Render(&c.Consent, can)
		if err != nil {
			return err
		}
		list = append(list, cards(&other)...)
	}
	if len(g.Parts) > 0 {
		m.Card, m.Gallery = nil, list
	}
	if sumOf(m) != g.Sum {
		return fmt.Errorf("dispatch: the message of %s would be another one now: %w", id, otn.ErrRefused)
	}
	return nil
}

// Tidy forgets what the messages of runs that began before a moment told of, and by whom their own news was told.
func (d *Dispatch) Tidy(ctx context.Context, before time.Time) error {
	var first otn.RunID
	limit := otn.NewRunID("", otn.Subject{}, "", before)
	copy(first[:5], limit[:5])
	for _, prefix := range []string{galleryPrefix, withPrefix} {
		for {
			docs, err := d.Ledger.Docs(prefix, "", linesAStep)
			if err != nil {
				return err
			}
			var b ledger.Batch
			for _, doc := range docs {
				if doc.Key < prefix+first.String() {
					b.Docs = append(b.Docs, drop(doc.Key))
				}
			}
			if len(b.Docs) == 0 {
				break
			}
			if err := d.commit(ctx, &b); err != nil {
				return err
			}
		}
	}
	return nil
}
