// The witness: a second, small memory beside the store, synced on its own. It knows how far the store had got, so that a
// store that lost its end is noticed, and which tokens were claimed, so that an old backup does not spend them again.

package pebble

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// A witness is a folder of segments, numbered from 1; the last one is written. A segment is two slots, written in turn so
// that one of them is always whole, and records behind them up to the first that is not whole.
//
//	slot   magic, number of the last durable write, number at the segment's begin, first and last day, checksum
//	record length of what follows, kind, day, number, 12 bytes each, checksum
const (
	slotMagic   = "otn witness 1\n\x00\x00"
	slotSize    = 4096 // one page each: a torn write spoils one of them
	slotUsed    = len(slotMagic) + 8 + 8 + 4 + 4 + 4
	recordsFrom = 2 * slotSize
	recordHead  = 4 + 1 + 4 + 8
	memberSize  = otn.TokenIDSize

	segmentSize = 16 << 20       // a segment that is longer is followed by a new one,
	segmentDays = 31             // and so is one that is older
	keepDays    = 366 + 31       // a token that was claimed before that has expired
	zeroes      = 64 << 10       // the file grows by so much at a time: growing costs a second sync
	maxMembers  = (1 << 20) / 12 // of one record
	dayLength   = 24 * time.Hour // UTC
	noWitness   = "its witness is gone, or cannot be read"
	witnessHelp = "restore a backup, or let otn restore --keep take the store as it is"
)

// The kinds of records.
const (
	claimedRecord   = 1
	erasedRecord    = 2
	buriedRecord    = 3
	gapRecord       = 4 // without members: nobody knows what was claimed before
	withdrawnRecord = 5
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// witness is an open one. It belongs to the one who writes; a write of an engine that died may come after the end.
type witness struct {
	mu     sync.Mutex
	fs     vfs.FS
	dir    string
	file   vfs.File
	number uint64 // of the last durable write
	begin  uint64 // number at the begin of the segment
	seg    uint64
	turn   int64  // the slot to be written next: not the one with the newest number
	first  uint32 // days of the segment's records
	last   uint32
	end    int64 // of the records
	size   int64 // of the file
}

// makeWitness makes a new one that knows nothing before number, or lets a new segment begin there; gap says that behind the end of
// the segment before it claims were made which it did not see.
func makeWitness(fs vfs.FS, dir string, number uint64, gap bool) error {
	if err := fs.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	old, err := segments(fs, dir)
	if err != nil {
		return err
	}
	w := &witness{fs: fs, dir: dir, number: number}
	if n := len(old); n > 0 {
		w.seg = old[n-1]
	}
	err = w.begins()
	if err == nil && gap {
		if err = w.append(packRecord(gapRecord, 0, number, nil)); err == nil {
			err = w.head()
		}
	}
	return errors.Join(err, w.close())
}

// openWitness opens the one of a store. Errors: otn.ErrStore where there is none that can be read.
func openWitness(fs vfs.FS, dir string) (*witness, error) {
	list, err := segments(fs, dir)
	if err != nil || len(list) == 0 {
		return nil, fmt.Errorf("%s; %s: %w", noWitness, witnessHelp, errors.Join(otn.ErrStore, err))
	}
	w := &witness{fs: fs, dir: dir, seg: list[len(list)-1]}
	if err := w.open(); err != nil {
		if len(list) == 1 || !errors.Is(err, errNoSlot) {
			return nil, fmt.Errorf("%s: %w; %s: %w", noWitness, err, witnessHelp, otn.ErrStore)
		}
		// The begin of a new segment was cut short: nothing was written into it.
		w.seg = list[len(list)-2]
		if err := errors.Join(w.open(), fs.Remove(w.path(list[len(list)-1]))); err != nil {
			return nil, fmt.Errorf("%s: %w; %s: %w", noWitness, err, witnessHelp, otn.ErrStore)
		}
	}
	return w, nil
}

// segments lists the segments that are there, oldest first.
func segments(fs vfs.FS, dir string) (list []uint64, err error) {
	names, err := fs.List(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	for _, name := range names {
		if n, err := strconv.ParseUint(name, 10, 64); err == nil && !strings.HasPrefix(name, "+") {
			list = append(list, n)
		}
	}
	slices.Sort(list)
	return list, err
}

func (w *witness) path(seg uint64) string { return w.fs.PathJoin(w.dir, fmt.Sprintf("%06d", seg)) }

var errClosed = fmt.Errorf("the store is closed: %w", otn.ErrStore)

var errNoSlot = errors.New("neither of its two heads is whole")

// open reads the segment's head and finds the end of its records.
func (w *witness) open() error {
	f, err := w.fs.OpenReadWrite(w.path(w.seg), vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	if err := w.readHead(f); err != nil {
		return errors.Join(err, f.Close())
	}
	w.end = recordsFrom
	err = readRecords(f, func(r record) {
		w.end += int64(r.size)
		w.last = max(w.last, r.day)
	})
	if err != nil {
		return errors.Join(err, f.Close())
	}
	w.file = f
	return nil
}

func (w *witness) readHead(f vfs.File) error {
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	w.size = fi.Size()
	found := false
	for i := range int64(2) {
		b := make([]byte, slotUsed)
		if _, err := f.ReadAt(b, i*slotSize); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if s, ok := readSlot(b); ok && (!found || s.number > w.number) {
			w.number, w.begin, w.first, w.last, found = s.number, s.begin, s.first, s.last, true
			w.turn = 1 - i
		}
	}
	if !found {
		return errNoSlot
	}
	return nil
}

// slot is the head of a segment.
type slot struct {
	number, begin uint64
	first, last   uint32
}

func (s slot) pack() []byte {
	b := append(make([]byte, 0, slotUsed), slotMagic...)
	b = binary.BigEndian.AppendUint64(b, s.number)
	b = binary.BigEndian.AppendUint64(b, s.begin)
	b = binary.BigEndian.AppendUint32(b, s.first)
	b = binary.BigEndian.AppendUint32(b, s.last)
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

func readSlot(b []byte) (s slot, ok bool) {
	sum := slotUsed - 4
	if string(b[:len(slotMagic)]) != slotMagic || crc32.Checksum(b[:sum], castagnoli) != binary.BigEndian.Uint32(b[sum:]) {
		return s, false
	}
	r := b[len(slotMagic):]
	s.number, s.begin = binary.BigEndian.Uint64(r), binary.BigEndian.Uint64(r[8:])
	s.first, s.last = binary.BigEndian.Uint32(r[16:]), binary.BigEndian.Uint32(r[20:])
	return s, true
}

// record is one record as it is read.
type record struct {
	kind    byte
	day     uint32
	number  uint64
	members []byte
	size    int
}

// readRecords yields the records of a segment up to its end: the first that is not whole.
func readRecords(f io.ReaderAt, yield func(record)) error {
	in := io.NewSectionReader(f, recordsFrom, 1<<62)
	for {
		head := make([]byte, recordHead)
		if _, err := io.ReadFull(in, head); err != nil {
			return ended(err)
		}
		n := int(binary.BigEndian.Uint32(head))
		if n < recordHead || n > recordHead+memberSize*maxMembers {
			return nil
		}
		rest := make([]byte, n-recordHead+4)
		if _, err := io.ReadFull(in, rest); err != nil {
			return ended(err)
		}
		body := rest[:len(rest)-4]
		if crc32.Update(crc32.Checksum(head, castagnoli), castagnoli, body) != binary.BigEndian.Uint32(rest[len(body):]) {
			return nil
		}
		yield(record{head[4], binary.BigEndian.Uint32(head[5:]), binary.BigEndian.Uint64(head[9:]), body, n + 4})
	}
}

func ended(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

func packRecord(kind byte, day uint32, number uint64, members []byte) []byte {
	b := binary.BigEndian.AppendUint32(make([]byte, 0, recordHead+len(members)+4), uint32(recordHead+len(members)))
	b = binary.BigEndian.AppendUint32(append(b, kind), day)
	b = append(binary.BigEndian.AppendUint64(b, number), members...)
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// saw notes a durable write, synced when it returns.
func (w *witness) saw(x *ledger.Write) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.file == nil {
		return errClosed
	}
	day := w.last
	if !x.At.IsZero() {
		day = uint32(max(x.At.Unix()/int64(dayLength/time.Second), 0))
	}
	if w.end > segmentSize || w.first != 0 && day > w.first+segmentDays {
		if err := w.roll(day); err != nil {
			return err
		}
	}
	w.number = max(w.number, x.Number)
	err := appendIDs(w, claimedRecord, day, x.Claimed)
	if err == nil {
		err = appendIDs(w, erasedRecord, day, x.Erased)
	}
	if err == nil {
		err = appendIDs(w, buriedRecord, day, x.Buried)
	}
	if err == nil {
		err = appendIDs(w, withdrawnRecord, day, x.Withdrawn)
	}
	if err == nil {
		err = w.head()
	}
	return err
}

// appendIDs writes records of ids. All kinds of ids have one size.
func appendIDs[ID ~[memberSize]byte](w *witness, kind byte, day uint32, ids []ID) error {
	for len(ids) > 0 {
		n := min(len(ids), maxMembers)
		members := make([]byte, 0, n*memberSize)
		for i := range ids[:n] {
			members = append(members, ids[i][:]...)
		}
		if err := w.append(packRecord(kind, day, w.number, members)); err != nil {
			return err
		}
		if w.first == 0 {
			w.first = day
		}
		w.last = max(w.last, day)
		ids = ids[n:]
	}
	return nil
}

// append writes behind the last record. The file grows by whole blocks of zeroes.
func (w *witness) append(b []byte) error {
	if need := w.end + int64(len(b)); need > w.size {
		grown := (need/zeroes + 1) * zeroes
		if _, err := w.file.WriteAt(make([]byte, grown-w.size), w.size); err != nil {
			return err
		}
		w.size = grown
	}
	if _, err := w.file.WriteAt(b, w.end); err != nil {
		return err
	}
	w.end += int64(len(b))
	return nil
}

// head writes the slot whose turn it is, and makes everything durable.
func (w *witness) head() error {
	s := slot{w.number, w.begin, w.first, w.last}
	if _, err := w.file.WriteAt(s.pack(), w.turn*slotSize); err != nil {
		return err
	}
	w.turn = 1 - w.turn
	return w.file.SyncData()
}

// begins begins the next segment.
func (w *witness) begins() error {
	seg := w.seg + 1
	f, err := w.fs.Create(w.path(seg), vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	head := make([]byte, recordsFrom)
	s := slot{w.number, w.number, 0, 0}.pack()
	copy(head, s)
	copy(head[slotSize:], s)
	_, err = f.Write(head)
	if err = errors.Join(err, f.Sync(), f.Close(), syncDir(w.fs, w.dir)); err != nil {
		return err
	}
	w.seg, w.begin, w.first, w.last = seg, w.number, 0, 0
	return w.open()
}

// roll goes on with a new segment, and drops those whose tokens have all expired.
func (w *witness) roll(today uint32) error {
	if err := w.letGo(); err != nil {
		return err
	}
	if err := w.begins(); err != nil {
		return err
	}
	list, err := segments(w.fs, w.dir)
	if err != nil {
		return err
	}
	for _, seg := range list[:len(list)-1] {
		old := &witness{fs: w.fs, dir: w.dir, seg: seg}
		if err := old.open(); err != nil {
			return nil // what cannot be read stays
		}
		expired := old.last+keepDays < today
		if err := old.close(); err != nil {
			return err
		}
		if !expired {
			return nil
		}
		if err := w.fs.Remove(w.path(seg)); err != nil {
			return err
		}
	}
	return nil
}

func (w *witness) close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.letGo()
}

func (w *witness) letGo() error {
	if w.file == nil {
		return nil
	}
	f := w.file
	w.file = nil
	return f.Close()
}

// Testimony is what a witness knows of the writes behind one number.
type Testimony struct {
	Number  uint64         // of the last durable write it saw
	Whole   bool           // it knows of every claim behind the number that was asked for
	Gap     bool           // or would, but for claims that it is known to have missed
	Claimed []otn.TokenID  // behind that number
	Erased  []otn.PersonID // behind that number
	Buried  []ledger.DocID // behind that number

	Withdrawn []otn.TokenID // behind that number
}

// readWitness reads what the witness of a data folder knows of the writes behind a number. A folder without one, or with
// one that cannot be read, knows nothing and is not whole.
func readWitness(f folder, behind uint64) (Testimony, error) {
	var t Testimony
	list, err := segments(f.FS, f.path(witnessName))
	if err != nil {
		return t, err
	}
	for i, seg := range list {
		w := &witness{fs: f.FS, dir: f.path(witnessName), seg: seg}
		if err := w.open(); err != nil {
			t.Whole = false // what follows may still be read
			continue
		}
		if i == 0 {
			t.Whole = w.begin <= behind
		}
		t.Number = max(t.Number, w.number)
		err := readRecords(w.file, func(r record) {
			if r.number <= behind {
				return
			}
			t.Gap = t.Gap || r.kind == gapRecord
			for ids := r.members; len(ids) >= memberSize; ids = ids[memberSize:] {
				switch r.kind {
				case claimedRecord:
					t.Claimed = append(t.Claimed, otn.TokenID(ids[:memberSize]))
				case erasedRecord:
					t.Erased = append(t.Erased, otn.PersonID(ids[:memberSize]))
				case buriedRecord:
					t.Buried = append(t.Buried, ledger.DocID(ids[:memberSize]))
				case withdrawnRecord:
					t.Withdrawn = append(t.Withdrawn, otn.TokenID(ids[:memberSize]))
				}
			}
		})
		if err := errors.Join(err, w.close()); err != nil {
			return t, err
		}
	}
	return t, nil
}
