// Package ledger keeps what must not be forgotten: consents, claims, outcomes, documents, timers, the journal.
//
// The [Ledger] keeps the promises: each token once, oldest first, one winner among many claimers, an outcome that nobody
// knows stays visible. Under it an [Engine] keeps bytes: rows in key order, changed atomically. Everything personal and
// every secret is sealed before it reaches the engine; keys and journal name people and tokens only by their ids.
//
// All changes go through one queue. The first caller that finds it free writes for all who wait, in one atomic and synced
// write: the order is total, every decision (is this token free?) is made in that order, and no goroutine is needed.
package ledger
