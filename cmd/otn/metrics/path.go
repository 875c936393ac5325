// The steps of the data path: counters and histograms, found without a search for each message.

package metrics

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins"
)

// api is the instance of what an operator's call brings.
const api = "api"

// How a webhook was answered.
const (
	accepted    = "accepted"
	forged      = "forged"
	malformed   = "malformed"
	unavailable = "unavailable"
)

func answers() []string { return []string{accepted, forged, malformed, unavailable} }

// answerOf sorts an HTTP status.
func answerOf(status int) string {
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return forged
	case status >= http.StatusInternalServerError:
		return unavailable
	case status >= http.StatusBadRequest:
		return malformed
	}
	return accepted
}

func outcomes() []otn.Outcome {
	return []otn.Outcome{otn.Unknown, otn.Sent, otn.Refused, otn.Deferred, otn.Invalid}
}

// path counts steps.
type path struct {
	match, run, store, witness prometheus.Observer
	runs, rows, troubles       prometheus.Counter
	instances                  map[string]*instance // by name; another name counts nothing
}

// instance counts the steps of one channel or source.
type instance struct {
	hooks                map[string]prometheus.Observer // by answer
	take                 prometheus.Observer
	records              prometheus.Counter
	claim, send, settle  prometheus.Observer // of a channel
	sent, asked, replied [otn.Invalid + 1]prometheus.Counter
}

// step counts one step.
func (p *path) step(s otn.Step) {
	took := s.Took.Seconds()
	switch s.Kind {
	case otn.MatchStep:
		p.match.Observe(took)
		p.runs.Add(float64(s.N))
	case otn.RunStep:
		p.run.Observe(took)
	case otn.StoreStep:
		p.store.Observe(took)
		p.rows.Add(float64(s.N))
	case otn.WitnessStep:
		p.witness.Observe(took)
	case otn.TroubleStep:
		p.troubles.Inc()
	default:
		if i := p.instances[s.Instance]; i != nil {
			i.step(s, took)
		}
	}
}

func (i *instance) step(s otn.Step, took float64) {
	switch s.Kind {
	case otn.HookStep:
		if hook := i.hooks[answerOf(s.Status)]; hook != nil {
			hook.Observe(took)
		}
	case otn.TakeStep:
		i.take.Observe(took)
		i.records.Add(float64(s.N))
	}
	if i.send == nil || s.Outcome > otn.Invalid { // no channel
		return
	}
	switch s.Kind {
	case otn.ClaimStep:
		i.claim.Observe(took)
	case otn.SettleStep:
		i.settle.Observe(took)
	case otn.SendStep:
		i.send.Observe(took)
		i.sent[s.Outcome].Inc()
	case otn.AskStep:
		i.asked[s.Outcome].Inc()
	case otn.ReplyStep:
		i.replied[s.Outcome].Inc()
	}
}

// register makes every series that there can be, so that each begins at 0.
func (p *path) register(r *prometheus.Registry, list []Instance) {
	f := factory{r}
	p.match = f.histogram("otn_match_seconds", "How long one event is held against the rules.", short()).WithLabelValues()
	p.run = f.histogram("otn_run_seconds", "How long a run takes, from its cause until nobody is left.", long()).WithLabelValues()
	p.store = f.histogram("otn_store_write_seconds", "How long the store takes for one write, to disk where it is to be.", short()).WithLabelValues()
	p.witness = f.histogram("otn_witness_write_seconds", "How long the witness takes for one durable write.", short()).WithLabelValues()
	p.runs = f.counter("otn_runs_total", "Runs that events began.").WithLabelValues()
	p.rows = f.counter("otn_store_rows_total", "Rows that the store wrote or deleted.").WithLabelValues()
	p.troubles = f.counter("otn_store_troubles_total", "How often the store said that something is wrong: a slow disk, a failed flush.").WithLabelValues()

	hook := f.histogram("otn_hook_seconds", "How long a webhook takes, from its arrival to its answer; what it told is on disk then.", short(), "instance", "answer")
	take := f.histogram("otn_take_seconds", "How long records take until they are on disk.", short(), "instance")
	records := f.counter("otn_records_total", "Records that webhooks, polls and operators brought.", "instance")
	claim := f.histogram("otn_claim_seconds", "How long it takes to claim the tokens of one page, on disk.", short(), "channel")
	send := f.histogram("otn_send_seconds", "How long one message takes, from the channel's call to its answer.", short(), "channel")
	settle := f.histogram("otn_settle_seconds", "How long it takes from a page's last answer until what it came to is on disk.", short(), "channel")
	sent := f.counter("otn_deliveries_total", "Answers to messages that were handed to a channel.", "channel", "outcome")
	asked := f.counter("otn_asks_total", "Answers to requests for consent.", "channel", "outcome")
	replied := f.counter("otn_replies_total", "Answers to replies into an open window.", "channel", "outcome")

	p.instances = map[string]*instance{api: {take: take.WithLabelValues(api), records: records.WithLabelValues(api)}}
	for _, i := range list {
		made := &instance{hooks: map[string]prometheus.Observer{}, take: take.WithLabelValues(i.Name), records: records.WithLabelValues(i.Name)}
		for _, a := range answers() {
			made.hooks[a] = hook.WithLabelValues(i.Name, a)
		}
		p.instances[i.Name] = made
		if !i.Channel {
			continue
		}
		made.claim, made.send, made.settle = claim.WithLabelValues(i.Name), send.WithLabelValues(i.Name), settle.WithLabelValues(i.Name)
		for _, o := range outcomes() {
			made.sent[o] = sent.WithLabelValues(i.Name, o.String())
			made.asked[o] = asked.WithLabelValues(i.Name, o.String())
			made.replied[o] = replied.WithLabelValues(i.Name, o.String())
		}
	}
}

// factory makes registered vectors.
type factory struct{ r *prometheus.Registry }

func (f factory) counter(name, help string, labels ...string) *prometheus.CounterVec {
	v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	f.r.MustRegister(v)
	return v
}

func (f factory) histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
	f.r.MustRegister(v)
	return v
}

// short are the buckets of what takes a moment, from 100 µs to 30 s: those of the plugins.
func short() []float64 {
	bounds := plugins.Bounds()
	list := make([]float64, len(bounds))
	for i, b := range bounds {
		list[i] = b.Seconds()
	}
	return list
}

// long are the buckets of what may take days.
func long() []float64 {
	var list []float64
	for _, d := range []time.Duration{time.Second, 10 * time.Second, time.Minute, 10 * time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour, 7 * 24 * time.Hour} {
		list = append(list, d.Seconds())
	}
	return list
}
