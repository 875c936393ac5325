// How the two sides find each other: the handshake, the protocol's versions and the limits of a connection.

package wire

import (
	"context"
	"crypto/tls"
	"net"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

const (
	// MaxFrame is the size of one message on the connection, in bytes, either way.
	MaxFrame = 16 << 20
	// MaxDelivery is the size of one delivery, and of what is packed before it into one frame, in bytes.
	MaxDelivery = 8<<20 - 1<<10
	// MaxBatch is how many deliveries or results one frame holds.
	MaxBatch = 128

	streamWindow     = 1 << 20
	connectionWindow = 4 << 20
	dispensed        = "channel"
)

// Handshake tells a program that otn launched it. It keeps people from starting a plugin by hand; it guards nothing.
func Handshake() plugin.HandshakeConfig {
	return plugin.HandshakeConfig{MagicCookieKey: "OTN_PLUGIN", MagicCookieValue: "tell-me-once"}
}

// Versions offers the protocol's major versions. server is nil on the host's side.
func Versions(server PluginServer) map[int]plugin.PluginSet {
	return map[int]plugin.PluginSet{1: {dispensed: &border{server: server}}}
}

// Dial connects to a plugin that has shaken hands. The connection is opened by the first call. go-plugin's own way is not used: it
// leaves a connection behind when the plugin dies early, and runs a broker and a copy of stdout that nobody needs.
func Dial(addr net.Addr, certificates *tls.Config) (*grpc.ClientConn, error) {
	return dial(addr, credentials.NewTLS(certificates))
}

// DialPlain connects to a plugin under a debugger, whose socket nobody else can reach.
func DialPlain(addr net.Addr) (*grpc.ClientConn, error) { return dial(addr, insecure.NewCredentials()) }

func dial(addr net.Addr, who credentials.TransportCredentials) (*grpc.ClientConn, error) {
	return grpc.NewClient("passthrough:///plugin",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, addr.Network(), addr.String())
		}),
		grpc.WithTransportCredentials(who),
		grpc.WithIdleTimeout(0),
		grpc.WithInitialWindowSize(streamWindow), grpc.WithInitialConnWindowSize(connectionWindow),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(MaxFrame), grpc.MaxCallSendMsgSize(MaxFrame)),
	)
}

// border is one major version of the protocol, as go-plugin wants it.
type border struct {
	plugin.NetRPCUnsupportedPlugin
	server PluginServer
}

// GRPCServer registers the plugin's side.
func (b *border) GRPCServer(_ *plugin.GRPCBroker, s *grpc.Server) error {
	RegisterPluginServer(s, b.server)
	return nil
}

// GRPCClient opens the host's side.
func (b *border) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	return NewPluginClient(conn), nil
}

// NewServer makes the plugin's gRPC server.
func NewServer(options []grpc.ServerOption) *grpc.Server {
	return grpc.NewServer(append(options,
		grpc.InitialWindowSize(streamWindow), grpc.InitialConnWindowSize(connectionWindow),
		grpc.MaxRecvMsgSize(MaxFrame), grpc.MaxSendMsgSize(MaxFrame))...)
}
