// Package wire is the border between the host and its plugins: the calls, the handshake, and the way from otn's words to
// messages and back. plugins and plugins/channel are its two sides; nobody else knows the bytes.
package wire

//go:generate protoc --go_out=. --go_opt=paths=source_relative --go-grpc_out=. --go-grpc_opt=paths=source_relative otn.proto
