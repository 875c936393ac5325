// What the border costs: deliveries per second through one process, and the processor's time for each.

package plugins_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

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
			before := ticks(b, "self") + ticks(b, strconv.Itoa(p.State().PID))
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
			spent := ticks(b, "self") + ticks(b, strconv.Itoa(p.State().PID)) - before
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msgs/s")
			b.ReportMetric(float64(spent)*1e4/float64(b.N), "cpu-us/msg")
		})
	}
}

// ticks is the processor's time that a process took, in hundredths of a second.
func ticks(b *testing.B, pid string) int {
	text, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		b.Skip("no /proc here")
	}
	f := strings.Fields(string(text)[strings.LastIndexByte(string(text), ')')+2:])
	own, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return own + system
}
