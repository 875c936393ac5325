// How much the channel itself costs.

package messenger

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/messenger/graphtest"
)

// A webhook with one consent, from the signature to the record.
func BenchmarkReceive(b *testing.B) {
	m, err := New(testConfig(""))
	if err != nil {
		b.Fatal(err)
	}
	body := fixture(b, "webhooks/optin_otn.single.json")
	r := otn.Request{Method: http.MethodPost, Header: signature(body), Body: body, At: fixtureTime}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, records, err := m.Receive(b.Context(), r); err != nil || len(records) != 1 {
				b.Errorf("%d records, %v", len(records), err)
				return
			}
		}
	})
}

// Sends at full flight against the fake on this machine: HTTP, both ends, and the judgement.
func BenchmarkSend(b *testing.B) {
	g, err := graphtest.Start(graphtest.Options{Pages: []graphtest.Page{{ID: testPage, AccessToken: testToken}}, ReuseTokens: true})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = g.Close() }()
	m, err := New(testConfig(g.URL))
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = m.Close() }()
	token := g.Grant(anna, "").Token
	b.SetParallelism(inFlight)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := m.Send(b.Context(), delivery(1, token)); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "sends/s")
}

func BenchmarkJudge(b *testing.B) {
	for _, body := range []string{`{"recipient_id":"1","message_id":"m1"}`, `{"error":{"message":"(#80006) x","code":80006}}`} {
		b.Run(fmt.Sprint(len(body)), func(b *testing.B) {
			a := answer{status: 200, body: []byte(body)}
			b.ReportAllocs()
			for b.Loop() {
				judge(byToken, a, false)
			}
		})
	}
}
