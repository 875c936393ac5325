// Runs that are over since long: what is kept of them goes when nothing is left of whom they told.

package dispatch

import (
	"slices"
	"time"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// Decided is the last number of the journal about which everything was decided.
func (d *Dispatch) Decided() (uint64, error) { return d.cursor() }

// IsOpen reports whether a run is neither done nor cancelled.
func (d *Dispatch) IsOpen(id otn.RunID) (bool, error) {
	_, open, err := d.Ledger.Doc(openPrefix + id.String())
	return open, err
}

// OldestOpen is the moment of the oldest run that is open; not ok when none is.
func (d *Dispatch) OldestOpen() (at time.Time, ok bool, err error) {
	docs, err := d.Ledger.Docs(openPrefix, "", 1) // an id begins with its moment
	if err != nil || len(docs) == 0 {
		return at, false, err
	}
	id, err := openID(docs[0])
	if err != nil {
		return at, false, err
	}
	run, ok, err := d.Run(id)
	if err != nil || !ok {
		return at, false, err
	}
	return run.At, true, nil
}

// OldRuns looks over up to limit runs that began before a moment, behind the last one looked at ("" at the beginning): those
// that are over, and of whose messages nothing is left, can be forgotten by deleting the documents. last is "" at the end.
func (d *Dispatch) OldRuns(before time.Time, behind string, limit int) (docs []*ledger.Doc, runs []otn.RunID, last string, err error) {
	if behind == "" {
		first := otn.NewRunID("", otn.Subject{}, "", before)
		clear(first[5:])
		behind = first.String() // older ones sort behind it
	}
	list, err := d.RunsBefore(behind, limit)
	if err != nil {
		return nil, nil, "", err
	}
	for _, run := range list {
		open, err := d.IsOpen(run.ID)
		if err != nil {
			return nil, nil, "", err
		}
		free, err := d.Ledger.Forgettable(run.ID)
		if err != nil {
			return nil, nil, "", err
		}
		last = run.ID.String()
		if open || !free || !run.At.Before(before) {
			continue
		}
		of, err := d.docsOf(run.ID)
		if err != nil {
			return nil, nil, "", err
		}
		docs, runs = append(docs, of...), append(runs, run.ID)
	}
	if len(list) < limit {
		last = ""
	}
	return docs, runs, last, nil
}

// docsOf deletes the documents of a run, as they are now.
func (d *Dispatch) docsOf(id otn.RunID) (docs []*ledger.Doc, err error) {
	for _, key := range []string{runKey(id), courseKey(id)} {
		doc, there, err := d.Ledger.Doc(key)
		if err != nil {
			return nil, err
		}
		if there {
			docs = append(docs, &ledger.Doc{Key: key, Rev: doc.Rev})
		}
	}
	err = d.eachDoc(lanePrefix+id.String()+"/", func(doc ledger.Doc) error {
		docs = append(docs, &ledger.Doc{Key: doc.Key, Rev: doc.Rev})
		return nil
	})
	return slices.Clip(docs), err
}
