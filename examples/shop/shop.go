// The files of this shop, for programs that run it.

// Package shop is a whole small shop: a configuration and its rules. The demo of otn runs exactly these files.
package shop

import "embed"

// Files are otn.yaml, the rules and their tests.
//
//go:embed otn.yaml rules README.md
var Files embed.FS
