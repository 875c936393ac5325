//go:build unix

// How much room a disk has.

package main

import (
	"fmt"
	"syscall"
)

// freeBytes is what an ordinary account may still write where dir is.
func freeBytes(dir string) (uint64, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, fmt.Errorf("%s: %w", dir, err)
	}
	return s.Bavail * uint64(s.Bsize), nil
}
