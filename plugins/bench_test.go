// What the border costs: deliveries per second through one process, and the processor's time for each.

package plugins_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/onetimenotify/otn/plugins"
	"github.com/onetimenotify/otn/plugins/mock"
)

func BenchmarkSend(b *testing.B) {
	for _, inFlight := range []int{1, 64} {
		b.Run(fmt.Sprint(inFlight, "-in-flight"), func(b *testing.B) {
			p := launch(b, plugins.Spec{Config: config(b, mock.Config{MaxInFlight: 64, Script: []mock.Step{{Do: mock.Forget}}})})
			ready(b, p)
			d := delivery(1)
			d.Message.Text = strings.Repeat("It is back. ", 16)
			work := make(chan struct{}, inFlight)
			pid := strconv.Itoa(p.State().PID)
			host, plugin := used(b), ticks(b, pid)
			b.ResetTimer()
			var tasks sync.WaitGroup
			for range inFlight {
				tasks.Go(func() {
					for range work {
						if _, err := p.Send(b.Context(), d); err != nil {
							b.Error(err)
						}
					}
				})
			}
			for range b.N {
				work <- struct{}{}
			}
			close(work)
			tasks.Wait()
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msgs/s")
			b.ReportMetric(each(used(b)-host, b.N), "host-cpu-us/msg")
			b.ReportMetric(each(ticks(b, pid)-plugin, b.N), "plugin-cpu-us/msg")
		})
	}
}

// each is a share of the processor's time, in microseconds.
func each(all time.Duration, n int) float64 { return float64(all.Microseconds()) / float64(n) }

// used is the processor's time that this process took.
func used(t testing.TB) time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		t.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// ticks is the processor's time that a process which still runs took, to a hundredth of a second.
func ticks(t testing.TB, pid string) time.Duration {
	text, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		t.Skip("no /proc here")
	}
	f := strings.Fields(string(text)[strings.LastIndexByte(string(text), ')')+2:])
	own, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return time.Duration(own+system) * 10 * time.Millisecond
}
