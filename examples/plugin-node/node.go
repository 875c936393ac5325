// The kit for Node.js and its example, as files to begin with.

// Package node holds the kit for plugins in Node.js: otn.js, which speaks the protocol, and letterbox.js, a channel in thirty lines.
package node

import "embed"

// Files are the kit and the example. `otn plugins new --lang node` writes them.
//
//go:embed letterbox.js otn.js otn.proto package.json package-lock.json
var Files embed.FS
