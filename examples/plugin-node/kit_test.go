// The kit's copy of the protocol is the protocol.

package node_test

import (
	"bytes"
	"os"
	"testing"
)

func TestProtocolIsUpToDate(t *testing.T) {
	ours, err := os.ReadFile("../../plugins/internal/wire/otn.proto")
	if err != nil {
		t.Fatal(err)
	}
	if kit, err := os.ReadFile("otn.proto"); err != nil || !bytes.Equal(kit, ours) {
		t.Errorf("otn.proto is not plugins/internal/wire/otn.proto: copy it here (%v)", err)
	}
}
