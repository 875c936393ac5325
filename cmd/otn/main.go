// otn: the daemon, the operator's tool, and the host of the built-in plugins.

// Command otn keeps a promise for a shop: tell me once, when it happens.
package main

import (
	"io"
	"os"
	_ "time/tzdata" // the same zones on every machine
)

func main() {
	os.Exit(run(console{args: os.Args[1:], env: os.Environ(), stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}))
}

// console is what a command is connected to.
type console struct {
	args   []string
	env    []string // NAME=value
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
}
