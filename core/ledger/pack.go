// How rows are packed: varints, counted strings, and varints that sort as their numbers do. Reading never panics.

package ledger

import (
	"encoding/binary"
	"math/bits"
	"time"
)

// appendOrd appends n so that the bytes sort as the numbers do: the count of its bytes, then the bytes.
func appendOrd(b []byte, n uint64) []byte {
	size := (bits.Len64(n) + 7) / 8
	b = append(b, byte(size))
	for i := size - 1; i >= 0; i-- {
		b = append(b, byte(n>>(8*i)))
	}
	return b
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendBytes(b, s []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// appendTime packs a moment to the nanosecond; the zero Time is one byte.
func appendTime(b []byte, t time.Time) []byte {
	if t.IsZero() {
		return append(b, 0)
	}
	b = append(b, 1)
	b = binary.AppendVarint(b, t.Unix())
	return binary.AppendUvarint(b, uint64(t.Nanosecond()))
}

// reader takes a packed row apart. The first thing that does not fit makes it bad, and all that follows zero.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) fail() { r.b, r.bad = nil, true }

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.fail()
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

func (r *reader) bytes(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.fail()
		return nil
	}
	out := r.b[:n:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) uvarint() uint64 {
	if len(r.b) > 0 && r.b[0] < 0x80 {
		n := uint64(r.b[0])
		r.b = r.b[1:]
		return n
	}
	n, size := binary.Uvarint(r.b)
	if size <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[size:]
	return n
}

func (r *reader) varint() int64 {
	n := r.uvarint()
	return int64(n>>1) ^ -int64(n&1)
}

// counted reads what appendText and appendBytes wrote.
func (r *reader) counted() []byte {
	n := r.uvarint()
	if n > uint64(len(r.b)) {
		r.fail()
		return nil
	}
	return r.bytes(int(n))
}

func (r *reader) text() string { return string(r.counted()) }

func (r *reader) ord() uint64 {
	size := int(r.byte())
	if size > 8 {
		r.fail()
		return 0
	}
	var n uint64
	for _, c := range r.bytes(size) {
		n = n<<8 | uint64(c)
	}
	if size > 0 && n>>(8*(size-1)) == 0 {
		r.fail() // not the shortest form: appendOrd never writes it
		return 0
	}
	return n
}

func (r *reader) time() time.Time {
	if r.byte() == 0 {
		return time.Time{}
	}
	sec := r.varint()
	nsec := r.uvarint()
	if nsec >= uint64(time.Second) {
		r.fail()
		return time.Time{}
	}
	return time.Unix(sec, int64(nsec)).UTC()
}

// done reports whether everything fitted and nothing is left.
func (r *reader) done() bool { return !r.bad && len(r.b) == 0 }
