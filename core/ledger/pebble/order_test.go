// The changes of one write mean what they say in their order, however they are put down.

package pebble_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/ledger/pebble"
)

func TestChangesHaveTheirOrder(t *testing.T) {
	e, err := pebble.Open("d", pebble.Options{FS: vfs.NewMem(), Still: true})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close() //nolint:errcheck // in memory
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	want := map[string]string{}
	for write := range uint64(200) {
		var changes []ledger.Change
		for i := range 1 + rng.IntN(40) {
			key := fmt.Sprintf("k%02d", rng.IntN(30))
			switch n := rng.IntN(100); {
			case n < 60:
				value := fmt.Sprint(write, i)
				changes = append(changes, ledger.Change{Op: ledger.Set, Key: []byte(key), Value: []byte(value)})
				want[key] = value
			case n < 98 || write%2 == 0:
				changes = append(changes, ledger.Change{Op: ledger.Delete, Key: []byte(key)})
				delete(want, key)
			default:
				to := key + "~"
				changes = append(changes, ledger.Change{Op: ledger.DeleteRange, Key: []byte("k00"), Value: []byte(to)})
				for k := range want {
					if k < to {
						delete(want, k)
					}
				}
			}
		}
		if err := e.Write(ledger.Write{Changes: changes, Durable: true, Number: write + 1}); err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		if err := e.Scan([]byte("k"), []byte("l"), func(k, v []byte) bool { got[string(k)] = string(v); return true }); err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("write %d: got %v, want %v", write, got, want)
		}
	}
}
