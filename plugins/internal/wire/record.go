// Records, to messages and back: what a webhook or a poll yields.

package wire

import (
	"fmt"

	"github.com/onetimenotify/otn/core/otn"
)

// FromRecord writes a record. Errors: otn.ErrInvalid for one that is none of the kinds.
func FromRecord(r otn.Record) (*Record, error) {
	p := &Record{Key: r.Key, At: FromTime(r.At)}
	switch {
	case r.Consent != nil:
		p.What = &Record_Consent{fromConsent(r.Consent)}
	case r.Ask != nil:
		p.What = &Record_Ask{FromAsk(r.Ask)}
	case r.Window != nil:
		w := r.Window
		p.What = &Record_Window{&Window{Channel: w.Channel, Subscriber: fromSubscriber(w.Subscriber), Until: FromTime(w.Until), Cause: w.Cause}}
	case r.Referral != nil:
		p.What = &Record_Referral{&Referral{Channel: r.Referral.Channel, Subscriber: fromSubscriber(r.Referral.Subscriber), Ref: r.Referral.Ref}}
	case r.Echo != nil:
		p.What = &Record_Echo{&Echo{Kind: string(r.Echo.Kind), Delivery: r.Echo.Delivery[:], ProviderId: r.Echo.ProviderID}}
	case r.Stop != nil:
		s := r.Stop
		p.What = &Record_Stop{&Stop{Channel: s.Channel, Subscriber: fromSubscriber(s.Subscriber), Topic: s.Topic, Resume: s.Resume}}
	case r.Notice != nil:
		p.What = &Record_Notice{&Notice{Channel: r.Notice.Channel, Level: string(r.Notice.Level), Reason: r.Notice.Reason}}
	case r.Observation != nil:
		p.What = &Record_Observation{fromObservation(r.Observation)}
	case r.Trigger != nil:
		p.What = &Record_Trigger{fromTrigger(r.Trigger)}
	case r.Note != nil:
		p.What = &Record_Note{&Note{Code: r.Note.Code, Text: r.Note.Text}}
	case r.Whole != nil:
		p.What = &Record_Whole{&Whole{Items: int64(r.Whole.Items), Same: r.Whole.Same}}
	default:
		return nil, fmt.Errorf("an empty record: %w", otn.ErrInvalid)
	}
	return p, nil
}

// ToRecord reads a record. Errors: otn.ErrInvalid for a kind that is not known and for an id or a time that is none.
func ToRecord(p *Record) (otn.Record, error) {
	r := otn.Record{Key: p.GetKey(), At: ToTime(p.GetAt())}
	switch w := p.GetWhat().(type) {
	case *Record_Consent:
		r.Consent = toConsent(w.Consent)
	case *Record_Ask:
		a := ToAsk(w.Ask)
		r.Ask = &a
	case *Record_Window:
		r.Window = &otn.Window{Channel: w.Window.GetChannel(), Subscriber: toSubscriber(w.Window.GetSubscriber()), Until: ToTime(w.Window.GetUntil()), Cause: w.Window.GetCause()}
	case *Record_Referral:
		r.Referral = &otn.Referral{Channel: w.Referral.GetChannel(), Subscriber: toSubscriber(w.Referral.GetSubscriber()), Ref: w.Referral.GetRef()}
	case *Record_Echo:
		r.Echo = &otn.Echo{Kind: otn.EchoKind(w.Echo.GetKind()), ProviderID: w.Echo.GetProviderId()}
		return r, toID(&r.Echo.Delivery, w.Echo.GetDelivery())
	case *Record_Stop:
		r.Stop = &otn.Stop{Channel: w.Stop.GetChannel(), Subscriber: toSubscriber(w.Stop.GetSubscriber()), Topic: w.Stop.GetTopic(), Resume: w.Stop.GetResume()}
	case *Record_Notice:
		r.Notice = &otn.ChannelNotice{Channel: w.Notice.GetChannel(), Level: otn.NoticeLevel(w.Notice.GetLevel()), Reason: w.Notice.GetReason()}
	case *Record_Observation:
		r.Observation = toObservation(w.Observation)
	case *Record_Trigger:
		r.Trigger = toTrigger(w.Trigger)
	case *Record_Note:
		r.Note = &otn.Note{Code: w.Note.GetCode(), Text: w.Note.GetText()}
	case *Record_Whole:
		r.Whole = &otn.Whole{Items: int(w.Whole.GetItems()), Same: w.Whole.GetSame()}
	default:
		return r, fmt.Errorf("a record of an unknown kind: %w", otn.ErrInvalid)
	}
	return r, nil
}

func fromConsent(c *otn.Consent) *Consent {
	return &Consent{
		Token: fromToken(c.Token), Channel: c.Channel, Subscriber: fromSubscriber(c.Subscriber), Topic: c.Topic, Subject: c.Subject,
		Answers: each(c.Answers, fromNamed), Ask: c.Ask, Ref: c.Ref, GrantedAt: FromTime(c.GrantedAt), ExpiresAt: FromTime(c.ExpiresAt),
		PriceThen: fromMoney(c.PriceThen), Tz: c.TZ, Locale: c.Locale, Seq: c.Seq, Mint: c.Mint, Follow: c.Follow,
	}
}

func toConsent(p *Consent) *otn.Consent {
	return &otn.Consent{
		Token: toToken(p.GetToken()), Channel: p.GetChannel(), Subscriber: toSubscriber(p.GetSubscriber()), Topic: p.GetTopic(), Subject: p.GetSubject(),
		Answers: each(p.GetAnswers(), toNamed), Ask: p.GetAsk(), Ref: p.GetRef(), GrantedAt: ToTime(p.GetGrantedAt()), ExpiresAt: ToTime(p.GetExpiresAt()),
		PriceThen: toMoney(p.GetPriceThen()), TZ: p.GetTz(), Locale: p.GetLocale(), Seq: p.GetSeq(), Mint: p.GetMint(), Follow: p.GetFollow(),
	}
}

func fromTrigger(t *otn.Trigger) *Trigger {
	return &Trigger{
		Name: t.Name, Subject: t.Subject, Channel: t.Channel, Subscriber: fromSubscriber(t.Subscriber), Fields: each(t.Fields, fromNamed), Key: t.Key,
	}
}

func toTrigger(p *Trigger) *otn.Trigger {
	return &otn.Trigger{
		Name: p.GetName(), Subject: p.GetSubject(), Channel: p.GetChannel(), Subscriber: toSubscriber(p.GetSubscriber()),
		Fields: each(p.GetFields(), toNamed), Key: p.GetKey(),
	}
}

func fromNamed(n otn.Named) *Named { return &Named{Name: n.Name, Value: fromValue(n.Value)} }
func toNamed(p *Named) otn.Named {
	return otn.Named{Name: p.GetName(), Value: toValue(p.GetValue())}
}

func fromValue(v otn.Value) *Value {
	switch v.Type() {
	case otn.Bool:
		return &Value{Of: &Value_Bool{v.Bool()}}
	case otn.Int:
		return &Value{Of: &Value_Int{v.Int()}}
	case otn.Float:
		return &Value{Of: &Value_Float{v.Float()}}
	case otn.String:
		return &Value{Of: &Value_String_{v.Text()}}
	case otn.MoneyType:
		m := v.Money()
		return &Value{Of: &Value_Money{&Money{Minor: m.Minor, Currency: m.Currency}}}
	case otn.Time:
		return &Value{Of: &Value_Time{FromTime(v.Time())}}
	case otn.NoType:
	}
	return nil
}

func toValue(p *Value) otn.Value {
	switch of := p.GetOf().(type) {
	case *Value_Bool:
		return otn.BoolValue(of.Bool)
	case *Value_Int:
		return otn.IntValue(of.Int)
	case *Value_Float:
		return otn.FloatValue(of.Float)
	case *Value_String_:
		return otn.StringValue(of.String_)
	case *Value_Money:
		return otn.MoneyValue(toMoney(of.Money))
	case *Value_Time:
		return otn.TimeValue(ToTime(of.Time))
	}
	return otn.Value{}
}

func fromMoney(m otn.Money) *Money {
	if m.IsZero() {
		return nil
	}
	return &Money{Minor: m.Minor, Currency: m.Currency}
}

func toMoney(p *Money) otn.Money { return otn.Money{Minor: p.GetMinor(), Currency: p.GetCurrency()} }
