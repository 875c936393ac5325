// Why a run, or somebody in it, waits or is passed over: a code that never changes, and words for people.

package dispatch

// Why is a reason. The zero Why is none.
type Why struct {
	Code  string
	Words string
}

// The codes of a Why. They lie on disk and are an operator's to read: a code is never given another meaning.
const (
	OnHold       = "held"
	HoldBroken   = "hold_broken"
	OnGathering  = "gathering"
	OnSpread     = "spread"
	OutsideHours = "quiet_hours"
	LimitReached = "limit"
	NextWave     = "next_wave"
	Ended        = "not_after"
	ByOperator   = "cancelled"
	OtherAccount = "other_account"
)
