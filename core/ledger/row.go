// A consent as a row: what scans look at packed in the clear, secret and subscriber sealed.

package ledger

import (
	"encoding/binary"
	"math"
	"strconv"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

const rowVersion = 1

// A row begins with version, flags, token id, person and the sealed part, so that each is found without reading the rest.
const (
	rowFlags  = 1
	rowToken  = 2
	rowPerson = rowToken + tokenSize
	rowSealed = rowPerson + personSize
)

// The flags of a row.
const (
	flagSiblings = 1 << iota // of all, the only one that changes after the grant
	flagPrice
	flagZone
	flagAsk
	flagRef
	flagOwnRef // the ref is the one that topic, subject and answers make: not written
	flagAnswers
)

// The flags of the sealed part.
const (
	plainDigits  = 1 << iota // the secret is a number
	plainIDs                 // the subscriber's id is a number
	plainAddress             // there is an address
)

const day = 24 * time.Hour

// dayOf counts days since 1970, UTC, from 0 up.
func dayOf(t time.Time) uint32 {
	return uint32(min(max(t.Unix()/int64(day/time.Second), 0), math.MaxUint32))
}

// packRow appends the row of a consent.
func (l *Ledger) packRow(b []byte, c *otn.Consent, id otn.TokenID, p otn.PersonID) ([]byte, error) {
	flags := rowShape(c)
	b = append(b, rowVersion, flags)
	b = append(append(b, id[:]...), p[:]...)
	plain := packPlain(nil, c)
	b = binary.AppendUvarint(b, uint64(len(plain)+sealExtra))
	b, err := l.safe.seal(b, id, plain)
	if err != nil {
		return nil, err
	}
	granted := c.GrantedAt.UnixMilli()
	b = binary.AppendVarint(b, granted)
	b = binary.AppendVarint(b, c.ExpiresAt.UnixMilli()-granted-otn.TokenLife.Milliseconds())
	b = appendText(b, c.Channel)
	b = appendText(b, c.Token.Account())
	if flags&flagPrice != 0 {
		b = binary.AppendVarint(b, c.PriceThen.Minor)
		b = appendText(b, c.PriceThen.Currency)
	}
	if flags&flagZone != 0 {
		b = appendText(appendText(b, c.TZ), c.Locale)
	}
	if flags&flagAsk != 0 {
		b = appendText(b, c.Ask)
	}
	if flags&flagRef != 0 {
		b = appendText(b, c.Ref)
	}
	if flags&flagAnswers != 0 {
		b = packAnswers(b, c.Answers)
	}
	return b, nil
}

func rowShape(c *otn.Consent) (flags byte) {
	set := func(flag byte, there bool) {
		if there {
			flags |= flag
		}
	}
	own := len(c.Answers) == 0 && c.Ref == otn.FormatRef(otn.Ref{Topic: c.Topic, Subject: c.Subject})
	set(flagPrice, !c.PriceThen.IsZero())
	set(flagZone, c.TZ != "" || c.Locale != "")
	set(flagAsk, c.Ask != "")
	set(flagOwnRef, own)
	set(flagRef, c.Ref != "" && !own)
	set(flagAnswers, len(c.Answers) > 0)
	return flags
}

func packPlain(b []byte, c *otn.Consent) []byte {
	secret, person, address := c.Token.Reveal(), c.Subscriber.ID, c.Subscriber.Address.Reveal()
	at := len(b)
	b = append(b, 0)
	b = packDigits(b, at, plainDigits, secret)
	b = packDigits(b, at, plainIDs, person)
	if address != "" {
		b[at] |= plainAddress
		b = append(b, address...)
	}
	return b
}

// packDigits writes text as a number where that loses nothing, and notes it in the flags at b[at].
func packDigits(b []byte, at int, flag byte, text string) []byte {
	if n, ok := number(text); ok {
		b[at] |= flag
		return binary.AppendUvarint(b, n)
	}
	return appendText(b, text)
}

// number reads digits without a leading zero, below 2^63.
func number(s string) (uint64, bool) {
	if s == "" || len(s) > 19 || s[0] == '0' && len(s) > 1 {
		return 0, false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseUint(s, 10, 63)
	return n, err == nil
}

func readDigits(r *reader, isNumber bool) string {
	if isNumber {
		return strconv.FormatUint(r.uvarint(), 10)
	}
	return r.text()
}

func packAnswers(b []byte, answers []otn.Named) []byte {
	b = binary.AppendUvarint(b, uint64(len(answers)))
	for _, a := range answers {
		b = appendText(b, a.Name)
		b = append(b, byte(a.Value.Type()))
		switch a.Value.Type() {
		case otn.Bool:
			b = binary.AppendVarint(b, truth(a.Value.Bool()))
		case otn.Int:
			b = binary.AppendVarint(b, a.Value.Int())
		case otn.Float:
			b = binary.BigEndian.AppendUint64(b, math.Float64bits(a.Value.Float()))
		case otn.String:
			b = appendText(b, a.Value.Text())
		case otn.MoneyType:
			b = appendText(binary.AppendVarint(b, a.Value.Money().Minor), a.Value.Money().Currency)
		case otn.Time:
			b = binary.AppendVarint(b, a.Value.Time().UnixNano())
		}
	}
	return b
}

func truth(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// texts remembers the strings that rows repeat, so that reading them again allocates nothing. The zero texts is ready.
type texts struct {
	channel, account, currency, zone, locale, ask, ref string
	ownLine                                            Line
	ownRef                                             string
	names                                              map[string]string
}

// same gives *last when b spells it, and makes a new string of b otherwise.
func same(last *string, b []byte) string {
	if *last != string(b) {
		*last = string(b)
	}
	return *last
}

func (t *texts) name(b []byte) string {
	if s, ok := t.names[string(b)]; ok {
		return s
	}
	if t.names == nil || len(t.names) > 256 {
		t.names = make(map[string]string)
	}
	s := string(b)
	t.names[s] = s
	return s
}

// readRow fills c from a row. Topic, subject and sequence are the caller's; c.sealed is lent from v.
func readRow(v []byte, c *Candidate, t *texts) bool {
	if len(v) < rowSealed || v[0] != rowVersion {
		return false
	}
	flags := v[rowFlags]
	c.Siblings = flags&flagSiblings != 0
	copy(c.ID[:], v[rowToken:])
	copy(c.person[:], v[rowPerson:])
	r := reader{b: v[rowSealed:]}
	c.sealed = r.counted()
	c.Token, c.Subscriber = otn.Token{}, otn.Subscriber{}
	granted := r.varint()
	c.GrantedAt = time.UnixMilli(granted).UTC()
	c.ExpiresAt = time.UnixMilli(granted + otn.TokenLife.Milliseconds() + r.varint()).UTC()
	c.Channel = same(&t.channel, r.counted())
	c.account = same(&t.account, r.counted())
	c.PriceThen, c.TZ, c.Locale, c.Ask, c.Ref = otn.Money{}, "", "", "", ""
	c.Answers = c.Answers[:0]
	if flags&^flagSiblings != 0 {
		readOptional(&r, flags, c, t)
	}
	return r.done()
}

func readOptional(r *reader, flags byte, c *Candidate, t *texts) {
	if flags&flagPrice != 0 {
		c.PriceThen.Minor = r.varint()
		c.PriceThen.Currency = same(&t.currency, r.counted())
	}
	if flags&flagZone != 0 {
		c.TZ = same(&t.zone, r.counted())
		c.Locale = same(&t.locale, r.counted())
	}
	if flags&flagAsk != 0 {
		c.Ask = same(&t.ask, r.counted())
	}
	if flags&flagRef != 0 {
		c.Ref = same(&t.ref, r.counted())
	}
	if flags&flagOwnRef != 0 {
		c.Ref = t.own(c.Topic, c.Subject)
	}
	if flags&flagAnswers != 0 {
		readAnswers(r, c, t)
	}
}

// own is the ref that topic and subject make.
func (t *texts) own(topic, subject string) string {
	if line := (Line{topic, subject}); t.ownRef == "" || t.ownLine != line {
		t.ownLine, t.ownRef = line, otn.FormatRef(otn.Ref{Topic: topic, Subject: subject})
	}
	return t.ownRef
}

func readAnswers(r *reader, c *Candidate, t *texts) {
	n := r.uvarint()
	if n > uint64(len(r.b)) {
		r.fail()
		return
	}
	for range n {
		name := t.name(r.counted())
		c.Answers = append(c.Answers, otn.Named{Name: name, Value: readValue(r, t)})
	}
}

func readValue(r *reader, t *texts) otn.Value {
	switch otn.Type(r.byte()) {
	case otn.NoType:
		return otn.Value{}
	case otn.Bool:
		return otn.BoolValue(r.varint() != 0)
	case otn.Int:
		return otn.IntValue(r.varint())
	case otn.Float:
		if b := r.bytes(8); b != nil {
			return otn.FloatValue(math.Float64frombits(binary.BigEndian.Uint64(b)))
		}
	case otn.String:
		return otn.StringValue(r.text())
	case otn.MoneyType:
		minor := r.varint()
		return otn.MoneyValue(otn.Money{Minor: minor, Currency: same(&t.currency, r.counted())})
	case otn.Time:
		return otn.TimeValue(time.Unix(0, r.varint()))
	default:
		r.fail()
	}
	return otn.Value{}
}

// unseal fills token and subscriber.
func (l *Ledger) unseal(c *Candidate) error {
	var buf [128]byte
	plain, err := l.safe.open(buf[:0], c.ID, c.sealed)
	if err != nil {
		return err
	}
	r := reader{b: plain}
	flags := r.byte()
	secret := readDigits(&r, flags&plainDigits != 0)
	c.Subscriber = otn.Subscriber{ID: readDigits(&r, flags&plainIDs != 0)}
	if flags&plainAddress != 0 {
		c.Subscriber.Address = otn.NewSecret(string(r.b))
	}
	if r.bad {
		return errDamaged
	}
	c.Token = otn.NewToken(c.account, secret)
	return nil
}
