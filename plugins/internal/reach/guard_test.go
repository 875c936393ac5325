// What is connected to, and what is not.

package reach_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/onetimenotify/otn/plugins/internal/reach"
)

func get(t *testing.T, private bool, url string) error {
	t.Helper()
	transport := reach.Transport(private)
	defer transport.CloseIdleConnections()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := transport.RoundTrip(r)
	if err == nil {
		_ = answer.Body.Close()
	}
	return err
}

// P39: an address that is not public is refused at the connection, whatever name led there and however it is written.
func TestP39_OnlyPublicAddresses(t *testing.T) {
	for _, host := range []string{
		"127.0.0.1", "localhost", "127.1.2.3", "[::1]", "[::ffff:127.0.0.1]", "[::127.0.0.1]", "10.0.0.1", "172.16.0.1", "172.31.255.254", "192.168.1.1", "100.64.0.1",
		"169.254.169.254", "0.0.0.0", "[::]", "[fd00::1]", "[fe80::1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[fd00:ec2::254]", "100.100.100.200",
		"224.0.0.1", "192.0.2.1", "198.18.0.1", "240.0.0.1", "255.255.255.255",
	} {
		if err := get(t, false, "http://"+host+":9/x"); !errors.Is(err, reach.ErrGuarded) {
			t.Errorf("%s: %v", host, err)
		}
	}
}

// A cloud's own addresses are refused also where private ones are allowed.
func TestP39_NeverACloudsKeys(t *testing.T) {
	for _, host := range []string{"169.254.169.254", "[::ffff:169.254.169.254]", "169.254.170.2", "[fe80::1]", "0.0.0.0", "[::]", "224.0.0.1", "[fd00:ec2::254]", "100.100.100.200", "192.0.0.192"} {
		if err := get(t, true, "http://"+host+":9/x"); !errors.Is(err, reach.ErrGuarded) {
			t.Errorf("%s: %v", host, err)
		}
	}
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	if err := get(t, true, strings.Replace(server.URL, "127.0.0.1", "localhost", 1)); err != nil {
		t.Errorf("this machine, where that is allowed: %v", err)
	}
	if err := get(t, false, server.URL); !errors.Is(err, reach.ErrGuarded) {
		t.Errorf("this machine, where that is not allowed: %v", err)
	}
}

// A proxy of the environment would connect where it likes.
func TestNoProxy(t *testing.T) {
	if reach.Transport(false).Proxy != nil || reach.Transport(true).Proxy != nil {
		t.Error("a proxy goes round the guard")
	}
}
