// How answers are ordered: packed so that the bytes sort as the values do, for the index by answer.

package ledger

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"math/bits"

	"github.com/onetimenotify/otn/core/otn"
)

// The classes of ordered answers: the first byte.
const (
	orderAbsent = iota + 1 // not given
	orderOdd               // given, and not a value that can be ordered: none, or not a number
	orderBool
	orderInt
	orderFloat
	orderString
	orderMoney // then the currency
	orderTime
	orderEnd
)

// A text stands as a part of its hash, in no order: it may be what a person wrote, and keys outlive their rows.
const orderedHash = 8

// longestCurrency bounds what is looked at of a currency: its code has three letters.
const longestCurrency = 16

// appendOrdered appends an answer. No packed answer is the beginning of another.
func appendOrdered(b []byte, v otn.Value, given bool) []byte {
	if !given {
		return append(b, orderAbsent)
	}
	switch v.Type() {
	case otn.Bool:
		return append(b, orderBool, byte(truth(v.Bool())))
	case otn.Int:
		return appendSigned(append(b, orderInt), v.Int())
	case otn.Float:
		if math.IsNaN(v.Float()) {
			break
		}
		return binary.BigEndian.AppendUint64(append(b, orderFloat), floatOrder(v.Float()))
	case otn.String:
		sum := sha256.Sum256([]byte(v.Text()))
		return append(append(b, orderString), sum[:orderedHash]...)
	case otn.MoneyType:
		m := v.Money()
		return appendSigned(appendCurrency(append(b, orderMoney), m.Currency), m.Minor)
	case otn.Time:
		return binary.BigEndian.AppendUint64(append(b, orderTime), uint64(v.Time().UnixNano())^1<<63)
	}
	return append(b, orderOdd)
}

// floatOrder turns a number that is one into bits that sort as it does. The two zeros are equal.
func floatOrder(f float64) uint64 {
	n := math.Float64bits(f + 0) // -0 + 0 is 0
	if n>>63 != 0 {
		return ^n
	}
	return n | 1<<63
}

// appendSigned is appendOrd for numbers of both signs: more bytes further from zero.
func appendSigned(b []byte, n int64) []byte {
	far, mask := uint64(n), uint64(0)
	if n < 0 {
		far, mask = ^far, math.MaxUint64
	}
	size := (bits.Len64(far) + 7) / 8
	if n < 0 {
		b = append(b, byte(15-size))
	} else {
		b = append(b, byte(16+size))
	}
	for i := size - 1; i >= 0; i-- {
		b = append(b, byte((far^mask)>>(8*i)))
	}
	return b
}

// appendCurrency appends a text and an end that sorts before every byte of a longer one.
func appendCurrency(b []byte, s string) []byte {
	for i := range min(len(s), longestCurrency) {
		if b = append(b, s[i]); s[i] == 0 {
			b = append(b, 0xff)
		}
	}
	return append(b, 0, 0)
}

// ordered reads over a packed answer.
func (r *reader) ordered() {
	switch r.byte() {
	case orderAbsent, orderOdd:
	case orderBool:
		r.byte()
	case orderInt:
		r.signed()
	case orderFloat, orderTime:
		r.bytes(8)
	case orderString:
		r.bytes(orderedHash)
	case orderMoney:
		r.currency()
		r.signed()
	default:
		r.fail()
	}
}

func (r *reader) signed() {
	switch n := int(r.byte()); {
	case n >= 16 && n <= 24:
		r.bytes(n - 16)
	case n >= 7 && n < 16:
		r.bytes(15 - n)
	default:
		r.fail()
	}
}

func (r *reader) currency() {
	for !r.bad {
		if r.byte() != 0 {
			continue
		}
		if end := r.byte(); end == 0 {
			return
		}
	}
}

// orderedSection is the beginning of all packed answers of a type, and of a currency unless that is empty.
func orderedSection(b []byte, t otn.Type, currency string) []byte {
	classes := [...]byte{otn.NoType: orderOdd, otn.Bool: orderBool, otn.Int: orderInt, otn.Float: orderFloat, otn.String: orderString, otn.MoneyType: orderMoney, otn.Time: orderTime}
	b = append(b, classes[min(int(t), len(classes)-1)])
	if t == otn.MoneyType && currency != "" {
		b = appendCurrency(b, currency)
	}
	return b
}
