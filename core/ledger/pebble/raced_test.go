//go:build race

// Under the race detector the crash test takes every seventh write: it looks for races there, not for losses.
package pebble_test

const raced = true
