//go:build race

// With the race detector time is no measure.

package ruletest

const raced = true
