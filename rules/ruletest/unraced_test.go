//go:build !race

// Without the race detector time is a measure.

package ruletest

const raced = false
