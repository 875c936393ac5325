// Records with what must become true together with them.

package intake

import (
	"context"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// Together adds to the batch of a call what must become true with its records: where a reader of a stream has got to, say.
// It is told what became of the records, and called again when the batch is built anew. It uses no key of a document that
// records use.
type Together func(b *ledger.Batch, so Result)

// WriteWith is WriteEach, with more in the same batch.
func (in *Intake) WriteWith(ctx context.Context, instance string, with Together, records ...otn.Record) (Result, error) {
	return in.take(ctx, instance, records, with, in.passOver(instance), false)
}
