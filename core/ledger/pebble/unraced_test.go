//go:build !race

// Without the race detector the crash test takes every write.
package pebble_test

const raced = false
