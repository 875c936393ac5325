//go:build unix

// How much room a disk has.

package main

import (
	"fmt"
	"syscall"
)

// diskBytes is what an ordinary account may still write where dir is, and how large the disk is.
func diskBytes(dir string) (free, size uint64, err error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, 0, fmt.Errorf("%s: %w", dir, err)
	}
	return s.Bavail * uint64(s.Bsize), s.Blocks * uint64(s.Bsize), nil
}
