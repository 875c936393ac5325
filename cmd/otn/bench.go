// otn bench: what this machine can do, on a store that is thrown away.

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// measured is one number of a bench.
type measured struct {
	What  string  `json:"what"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
}

// benched is what otn bench prints.
type benched struct {
	Quick    bool       `json:"quick,omitempty"`
	Measures []measured `json:"measures"`
}

// benchSize is how much a bench does.
type benchSize struct {
	each   time.Duration // of what is measured for a while
	people int           // of a run
	hooks  int           // webhooks at most
}

// hooksPace is how many webhooks a second come while a run sends.
const hooksPace = 500

func (k *call) bench() *cobra.Command {
	quick, dir := false, ""
	cmd := &cobra.Command{
		Use: "bench", GroupID: "run", Short: "Measure this machine", Args: cobra.NoArgs,
		Long: "Measure this machine, on a store in a temporary folder: consents a second that are on disk when their caller is answered, decisions\n" +
			"and messages a second, bytes a consent takes, and how long a webhook waits while a run sends as fast as it can. Nothing is sent\n" +
			"to anybody. The numbers are those of now: what else the machine does counts.",
		Example: "  otn bench\n  otn bench --quick -o json\n  otn bench --dir /var/lib/otn",
		RunE: func(cmd *cobra.Command, _ []string) error {
			k.started = true
			syscall.Umask(0o077)
			ctx, _, stop := signals(cmd.Context())
			defer stop()
			size := benchSize{2 * time.Second, 200_000, 5000}
			if quick {
				size = benchSize{200 * time.Millisecond, 10_000, 500}
			}
			command, err := ownCommand()
			if err != nil {
				return err
			}
			out := benched{Quick: quick}
			err = inTemporary(dir, func(dir string) error { return out.measure(ctx, dir, command, size, k.say) })
			if ctx.Err() != nil {
				return said(exitInterrupted)
			}
			if err != nil {
				return err
			}
			return k.show(out, out.table())
		},
	}
	cmd.Flags().BoolVar(&quick, "quick", false, "a few seconds, and rougher")
	cmd.Flags().StringVar(&dir, "dir", "", "make the temporary folder in this `folder`: its disk is measured; left out: where the system has them")
	return cmd
}

// inTemporary does something in a folder of its own.
func inTemporary(in string, do func(dir string) error) (err error) {
	dir, err := os.MkdirTemp(in, "otn-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	return do(dir)
}

func (b *benched) add(what string, value float64, unit string) {
	b.Measures = append(b.Measures, measured{what, value, unit})
}

func (b *benched) table() *table {
	t := &table{head: []string{"WHAT", "MEASURED", ""}}
	for _, m := range b.Measures {
		text := fmt.Sprintf("%.0f", m.Value)
		if m.Value < 100 {
			text = fmt.Sprintf("%.1f", m.Value)
		}
		t.add(m.What, text, m.Unit)
	}
	return t
}

// measure measures everything.
func (b *benched) measure(ctx context.Context, dir string, command []string, size benchSize, say func(string, ...any)) error {
	n, err := syncs(dir, size.each/4)
	if err != nil {
		return err
	}
	b.add("the disk alone: writes of 4 KiB", n, "/s")
	say("otn: measuring in this process")
	inside, err := nowhere()
	if err == nil {
		err = inTemporary(dir, func(dir string) error { return b.inside(ctx, dir, inside, size) })
	}
	if err != nil {
		return err
	}
	say("otn: measuring through a plugin's process")
	return inTemporary(dir, func(dir string) error { return b.through(ctx, dir, nowhereElse(command), size) })
}

// inside measures with the channel in this process.
func (b *benched) inside(ctx context.Context, dir string, ch yardChannel, size benchSize) (err error) {
	t, err := startYard(ctx, dir, ch)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.stop()) }()
	for _, callers := range []int{1, 16, 64} {
		n, err := t.grants(ctx, callers, size.each)
		if err != nil {
			return err
		}
		b.add(fmt.Sprintf("consents, durable, %d at a time", callers), n, "/s")
	}
	before, had := t.tokens.Load(), int64(0)
	if had, err = t.size(); err != nil {
		return err
	}
	begin := time.Now()
	if err := t.wait(ctx, size.people, 1); err != nil {
		return err
	}
	b.add("consents, durable, 1,000 in a call", float64(t.tokens.Load()-before)/time.Since(begin).Seconds(), "/s")
	now, err := t.size()
	if err != nil {
		return err
	}
	if size.people >= 100_000 { // fewer are in memory and in the log alone
		b.add("a consent on disk, all indexes", float64(now-had)/float64(size.people), "bytes")
	}
	n, err := t.decisions(ctx, size.each)
	if err != nil {
		return err
	}
	b.add("decisions, one after the other", n, "/s")
	if n, err = t.deliveries(ctx, size.people); err != nil {
		return err
	}
	b.add("messages, the channel in this process", n, "/s")
	return nil
}

// through measures with the channel in a process of its own.
func (b *benched) through(ctx context.Context, dir string, ch yardChannel, size benchSize) (err error) {
	t, err := startYard(ctx, dir, ch)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.stop()) }()
	n, err := t.deliveries(ctx, size.people)
	if err != nil {
		return err
	}
	b.add("messages, through a plugin's process", n, "/s")
	if err := t.wait(ctx, size.people, 0); err != nil {
		return err
	}
	if err := t.drop(ctx); err != nil {
		return err
	}
	over := make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		defer close(over)
		ended <- t.sent(ctx, int64(2*size.people))
	}()
	took, err := t.webhooks(ctx, hooksPace, size.hooks, over)
	if err = errors.Join(err, <-ended); err != nil {
		return err
	}
	for _, q := range []struct {
		name string
		part float64
	}{{"p50", 0.5}, {"p99", 0.99}} {
		if len(took) > 0 {
			at := took[min(int(float64(len(took))*q.part), len(took)-1)]
			b.add(fmt.Sprintf("a webhook, durable, %d/s while a run sends: %s of %d", hooksPace, q.name, len(took)), float64(at.Microseconds())/1000, "ms")
		}
	}
	return nil
}
