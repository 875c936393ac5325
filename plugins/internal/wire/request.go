// Webhook calls and their answers, to messages and back.

package wire

import (
	"errors"
	"fmt"

	"github.com/onetimenotify/otn/core/otn"
)

// FromRequest writes a webhook call.
func FromRequest(instance string, r *otn.Request) *ReceiveRequest {
	return &ReceiveRequest{
		Instance: instance, Method: r.Method, Path: []byte(r.Path), Query: fromValues(r.Query), Header: fromValues(r.Header), Body: r.Body,
		Remote: r.Remote, At: FromTime(r.At),
	}
}

// ToRequest reads a webhook call.
func ToRequest(p *ReceiveRequest) otn.Request {
	return otn.Request{
		Method: p.GetMethod(), Path: string(p.GetPath()), Query: toValues(p.GetQuery()), Header: toValues(p.GetHeader()), Body: p.GetBody(),
		Remote: p.GetRemote(), At: ToTime(p.GetAt()),
	}
}

// FromResponse writes what Receive returned. A record that cannot be written makes the whole a fault.
func FromResponse(r otn.Response, records []otn.Record, err error) *ReceiveResponse {
	if err != nil {
		return &ReceiveResponse{Fault: detail(err)}
	}
	p := &ReceiveResponse{HttpStatus: int64(r.Status), Header: fromValues(r.Header), Body: r.Body, Records: make([]*Record, len(records))}
	for i, rec := range records {
		if p.Records[i], err = FromRecord(rec); err != nil {
			return &ReceiveResponse{Fault: detail(fmt.Errorf("record %d: %w", i, err))}
		}
	}
	return p
}

// ToResponse reads what Receive returned. A fault of the receiver, or a record that cannot be read, is an error.
func ToResponse(p *ReceiveResponse) (otn.Response, []otn.Record, error) {
	if p.GetFault() != "" {
		return otn.Response{}, nil, errors.New(clip(p.GetFault()))
	}
	if s := p.GetHttpStatus(); s != 0 && (s < 200 || s > 599) {
		return otn.Response{}, nil, fmt.Errorf("an answer with HTTP status %d: %w", s, otn.ErrInvalid)
	}
	var records []otn.Record
	for i, rec := range p.GetRecords() {
		r, err := ToRecord(rec)
		if err != nil {
			return otn.Response{}, nil, fmt.Errorf("record %d: %w", i, err)
		}
		records = append(records, r)
	}
	return otn.Response{Status: int(p.GetHttpStatus()), Header: toValues(p.GetHeader()), Body: p.GetBody()}, records, nil
}

func fromValues(m map[string][]string) []*Values {
	all := make([]*Values, 0, len(m))
	for name, values := range m {
		all = append(all, &Values{Name: []byte(name), Values: each(values, func(s string) []byte { return []byte(s) })})
	}
	return all
}

func toValues(all []*Values) map[string][]string {
	if len(all) == 0 {
		return nil
	}
	m := make(map[string][]string, len(all))
	for _, v := range all {
		m[string(v.GetName())] = each(v.GetValues(), func(b []byte) string { return string(b) })
	}
	return m
}
