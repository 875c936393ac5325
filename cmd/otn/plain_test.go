//go:build !crash

// Without the kill -9 loop this binary is no plugin but the built-in ones.
package main

import "github.com/onetimenotify/otn/plugins/channel"

func servedAs(string) channel.Program { return nil }
