// Nothing is lost on the way: every field of every word that crosses the border comes out as it went in.

package wire

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	"github.com/onetimenotify/otn/core/otn"
)

// filler sets every exported field it meets. keep decides, field by field, which ones; pick draws the values.
type filler struct {
	keep func(path string) bool
	text func() string
	num  func() int64
}

// full sets everything, each to something else.
func full() *filler {
	n := int64(0)
	next := func() int64 { n++; return n }
	return &filler{func(string) bool { return true }, func() string { return fmt.Sprint("text ", next()) }, next}
}

// drawn sets what rapid draws.
func drawn(t *rapid.T) *filler {
	return &filler{
		func(path string) bool { return rapid.Bool().Draw(t, path) },
		func() string { return rapid.String().Draw(t, "text") },
		func() int64 { return rapid.Int64Range(-1<<40, 1<<40).Draw(t, "num") },
	}
}

// hostsOwn are the fields of a consent that the host fills in for its rules: no plugin sets or sees them.
var hostsOwn = map[string]bool{"Consent.Tags": true, "Consent.Waiting": true}

func (f *filler) value(v reflect.Value, path string) {
	switch p := v.Addr().Interface().(type) {
	case *time.Time:
		*p = f.time()
	case *otn.Token:
		*p = otn.NewToken(f.text(), f.text()+".")
	case *otn.Secret:
		*p = otn.NewSecret(f.text() + ".")
	case *otn.Value:
		*p = f.otnValue()
	case *otn.DeliveryID:
		n := f.num()
		for i := range p {
			p[i] = byte(n >> (i % 8))
		}
	default:
		f.kind(v, path)
	}
}

func (f *filler) time() time.Time { return time.Unix(f.num()%(1<<35), 1+f.num()&0xffff).UTC() }

func (f *filler) otnValue() otn.Value {
	all := []otn.Value{
		otn.BoolValue(true), otn.IntValue(f.num()), otn.FloatValue(float64(f.num()) / 3), otn.StringValue(f.text()),
		otn.MoneyValue(otn.Money{Minor: f.num(), Currency: "USD"}), otn.TimeValue(time.Unix(f.num()&0xffffff, f.num()&0xffff)), otn.FloatValue(math.NaN()), {},
	}
	return all[uint64(f.num())%uint64(len(all))]
}

func (f *filler) kind(v reflect.Value, path string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(f.text())
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(f.num())
	case reflect.Uint8, reflect.Uint32, reflect.Uint64:
		v.SetUint(uint64(f.num()) & 0x7f)
	case reflect.Float64:
		v.SetFloat(float64(f.num()&0xffff) / 2)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.value(v.Elem(), path)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range 2 {
			f.value(v.Index(i), path)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		key, elem := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		f.value(key, path)
		f.value(elem, path)
		v.SetMapIndex(key, elem)
	case reflect.Struct:
		for i := range v.NumField() {
			name := path + "." + v.Type().Field(i).Name
			if v.Field(i).CanSet() && !hostsOwn[name] && f.keep(name) {
				f.value(v.Field(i), name)
			}
		}
	default:
		panic("no way to fill " + path)
	}
}

// cross sends a message through its bytes.
func cross[M proto.Message](t testing.TB, in, out M) M {
	t.Helper()
	b, err := proto.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	if err := proto.Unmarshal(b, out); err != nil {
		t.Fatal(err)
	}
	return out
}

// there has the way of every type over the border and back.
func there(t testing.TB) map[string]struct {
	zero func() any
	trip func(any) any
} {
	type way = struct {
		zero func() any
		trip func(any) any
	}
	return map[string]way{
		"delivery": {func() any { return new(otn.Delivery) }, func(v any) any {
			d, err := ToDelivery(cross(t, FromDelivery(v.(*otn.Delivery)), new(Delivery)))
			must(t, err)
			return &d
		}},
		"ask": {func() any { return new(otn.Ask) }, func(v any) any {
			a := ToAsk(cross(t, FromAsk(v.(*otn.Ask)), new(AskRequest)))
			return &a
		}},
		"request": {func() any { return new(otn.Request) }, func(v any) any {
			r := ToRequest(cross(t, FromRequest("shop", v.(*otn.Request)), new(ReceiveRequest)))
			return &r
		}},
		"response": {func() any { return new(otn.Response) }, func(v any) any {
			in := v.(*otn.Response)
			in.Status = 200 + in.Status&0xff
			r, _, err := ToResponse(cross(t, FromResponse(*in, nil, nil), new(ReceiveResponse)))
			must(t, err)
			return &r
		}},
		"description": {func() any { return new(otn.Description) }, func(v any) any {
			in := v.(*otn.Description)
			in.Schema = []byte(`{}`)
			c := &in.Capabilities
			c.MaxInFlight, c.MaxMessage, c.Rate = c.MaxInFlight&0xff, c.MaxMessage&0xffff, math.Abs(c.Rate)
			d := ToDescription(cross(t, FromDescription(in), new(Description)))
			return &d
		}},
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// same compares by the bytes of every field; a NaN equals itself.
func same(t testing.TB, what string, in, out any) {
	t.Helper()
	if !reflect.DeepEqual(in, out) {
		t.Errorf("%s:\n in %s\nout %s", what, deep(in), deep(out))
	}
}

func deep(v any) string { return fmt.Sprintf("%+v", reflect.ValueOf(v).Elem().Interface()) }

func TestEveryFieldCrosses(t *testing.T) {
	for name, way := range there(t) {
		in := way.zero()
		full().value(reflect.ValueOf(in).Elem(), name)
		same(t, name, in, way.trip(in))
	}
}

func TestAnyValueCrosses(t *testing.T) {
	for name, way := range there(t) {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				in := way.zero()
				drawn(rt).value(reflect.ValueOf(in).Elem(), name)
				if out := way.trip(in); !reflect.DeepEqual(in, out) {
					rt.Fatalf("in %s\nout %s", deep(in), deep(out))
				}
			})
		})
	}
}

// recordOf makes a record with the i-th of its pointers set.
func recordOf(f *filler, i int) otn.Record {
	var r otn.Record
	v := reflect.ValueOf(&r).Elem()
	f.value(v.Field(0), "Key")
	f.value(v.Field(1), "At")
	f.value(v.Field(2+i), v.Type().Field(2+i).Name)
	return r
}

func tripRecord(t testing.TB, in otn.Record) otn.Record {
	p, err := FromRecord(in)
	must(t, err)
	out, err := ToRecord(cross(t, p, new(Record)))
	must(t, err)
	return out
}

func TestEveryKindOfRecordCrosses(t *testing.T) {
	for i := range reflect.TypeFor[otn.Record]().NumField() - 2 {
		in := recordOf(full(), i)
		out := tripRecord(t, in)
		same(t, reflect.TypeFor[otn.Record]().Field(2+i).Name, &in, &out)
		rapid.Check(t, func(rt *rapid.T) {
			in := recordOf(drawn(rt), i)
			if out := tripRecord(t, in); !reflect.DeepEqual(in, out) {
				rt.Fatalf("in %s\nout %s", deep(&in), deep(&out))
			}
		})
	}
	if _, err := FromRecord(otn.Record{}); !errors.Is(err, otn.ErrInvalid) {
		t.Errorf("an empty record: %v", err)
	}
	if _, err := ToRecord(&Record{}); !errors.Is(err, otn.ErrInvalid) {
		t.Errorf("a record of no kind: %v", err)
	}
	if _, err := ToRecord(&Record{What: &Record_Echo{&Echo{Delivery: []byte("short")}}}); !errors.Is(err, otn.ErrInvalid) {
		t.Errorf("an echo of no delivery: %v", err)
	}
}

// A part that is taken back is nil, one that is out of stock is 0.
func TestPartsKeepTheirNothing(t *testing.T) {
	zero := int64(0)
	in := otn.Record{Observation: &otn.Observation{Parts: map[string]*int64{"store": nil, "web": &zero}}}
	out := tripRecord(t, in)
	if got := out.Observation.Parts; len(got) != 2 || got["store"] != nil || got["web"] == nil || *got["web"] != 0 {
		t.Errorf("parts came out as %v", got)
	}
}

func TestResultsCross(t *testing.T) {
	for outcome := otn.Unknown; outcome <= otn.Invalid; outcome++ {
		for scope := otn.MessageScope; scope <= otn.ChannelScope; scope++ {
			if outcome == otn.Sent {
				continue
			}
			in := &otn.SendError{Outcome: outcome, After: time.Minute, Scope: scope, Code: "190/460", Err: fmt.Errorf("asked: %w", otn.ErrOutsideWindow)}
			_, err := ToResult(cross(t, FromResult(7, otn.Receipt{}, fmt.Errorf("wrapped: %w", in)), new(Result)))
			var out *otn.SendError
			if !errors.As(err, &out) || out.Outcome != outcome || out.Scope != scope || out.Code != in.Code || out.After != in.After || out.Error() != in.Error() || !errors.Is(err, otn.ErrOutsideWindow) {
				t.Errorf("%v %v came out as %+v", outcome, scope, err)
			}
		}
	}
	in := otn.Receipt{ProviderID: "m_1", Code: "duplicate"}
	if out, err := ToResult(cross(t, FromResult(7, in, nil), new(Result))); err != nil || out != in {
		t.Errorf("receipt came out as %+v, %v", out, err)
	}
}

func TestTimesAreHostileInput(t *testing.T) {
	for _, p := range []*timestamppb.Timestamp{nil, {Seconds: math.MaxInt64}, {Seconds: math.MinInt64}, {Nanos: -1}, {Nanos: math.MaxInt32}} {
		if at := ToTime(p); !at.IsZero() {
			t.Errorf("%v is read as %s", p, at)
		}
	}
}

// What cannot be read is Unknown, and what is out of range is brought into it.
func TestResultsAreHostileInput(t *testing.T) {
	for name, p := range map[string]*Result{
		"nothing":             {},
		"an outcome too far":  {Outcome: 99},
		"an outcome too low":  {Outcome: -1},
		"a scope too far":     {Scope: 99},
		"a wait below zero":   {AfterNs: -5},
		"a wait without end":  {AfterNs: math.MaxInt64},
		"a text without end":  {Detail: strings.Repeat("é", 1<<20), Code: strings.Repeat("x", 1<<20)},
		"a cause not known":   {Cause: "because"},
		"a text not in UTF-8": {Detail: "\xff\xfe"},
	} {
		_, err := ToResult(p)
		outcome, se := otn.OutcomeOf(err)
		if outcome != otn.Unknown || se.Scope > otn.ChannelScope || se.After < 0 || se.After > maxAfter || len(se.Code) > MaxDetail || len(se.Error()) > 2*MaxDetail+3 {
			t.Errorf("%s: %+v", name, se)
		}
	}
	if p := FromResult(1, otn.Receipt{}, &otn.SendError{Outcome: otn.Sent}); p.GetOutcome() != Outcome_OUTCOME_UNKNOWN {
		t.Errorf("an error that claims Sent crosses as %v", p.GetOutcome())
	}
	if p := FromResult(1, otn.Receipt{}, errors.New(strings.Repeat("\xff", 600)+"x")); !strings.Contains(p.GetCode(), "unclassified") || len(p.GetDetail()) > MaxDetail {
		t.Errorf("a strange error crosses as %v", p)
	}
}

func TestDescriptionsAreHostileInput(t *testing.T) {
	d := ToDescription(&Description{Name: strings.Repeat("x", 1<<20), Schema: []byte("{"), Capabilities: &Capabilities{MaxInFlight: -1, MaxMessage: math.MaxInt64, Rate: math.NaN(), Forms: make([]string, 1000)}})
	if c := d.Capabilities; len(d.Name) > MaxDetail || d.Schema != nil || c.MaxInFlight != 0 || c.MaxMessage != MaxFrame || c.Rate != 0 || c.Forms != nil {
		t.Errorf("came out as %+v", d)
	}
	if Credits(&otn.Capabilities{}) != 1 || Credits(&otn.Capabilities{MaxInFlight: 1 << 30}) != MaxCredits {
		t.Error("credits are out of bounds")
	}
}

func TestConfigErrorsCross(t *testing.T) {
	err := errors.Join(&ConfigError{[]Diagnostic{{"page_id", "is odd"}}}, errors.New("all is odd"))
	back := ToConfigError(FromDiagnostics(Diagnose(err)))
	if back == nil || back.Error() != "configuration: page_id: is odd; all is odd" || !errors.Is(back, otn.ErrInvalid) {
		t.Errorf("came out as %v", back)
	}
	if ToConfigError(nil) != nil {
		t.Error("no faults are an error")
	}
}

// A secret that crosses is in the bytes and nowhere else: no Go formatting of a converted value shows it.
func TestSecretsArriveSealed(t *testing.T) {
	in := otn.Delivery{Token: otn.NewToken("page", "s3cret"), Subscriber: otn.Subscriber{Address: otn.NewSecret("s3cret")}}
	out, err := ToDelivery(cross(t, FromDelivery(&in), new(Delivery)))
	must(t, err)
	if out.Token.Reveal() != "s3cret" || strings.Contains(fmt.Sprintf("%v %+v %#v", out, out, out), "s3cret") {
		t.Errorf("the secret shows or is lost")
	}
}

// Whatever bytes a plugin sends, they are read or refused.
func FuzzHostileBytes(f *testing.F) {
	for i := range reflect.TypeFor[otn.Record]().NumField() - 2 {
		p, err := FromRecord(recordOf(full(), i))
		must(f, err)
		b, err := proto.Marshal(&ReceiveResponse{Records: []*Record{p}})
		must(f, err)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var response ReceiveResponse
		if proto.Unmarshal(b, &response) == nil {
			if _, records, err := ToResponse(&response); err == nil {
				for _, r := range records {
					if _, err := FromRecord(r); err != nil {
						t.Errorf("a record that was read cannot be written: %v", err)
					}
				}
			}
		}
		var result Result
		if proto.Unmarshal(b, &result) == nil {
			_, _ = ToResult(&result)
		}
		var end PollEnd
		if proto.Unmarshal(b, &end) == nil {
			if next, err := ToPollEnd(&end); err != nil && next != "" || len(next) > otn.MaxCursor {
				t.Errorf("a poll that ended with %v goes on from %d bytes", err, len(next))
			}
		}
		var about Description
		if proto.Unmarshal(b, &about) == nil {
			_ = ToDescription(&about)
		}
		var d Delivery
		if proto.Unmarshal(b, &d) == nil {
			_, _ = ToDelivery(&d)
		}
	})
}
