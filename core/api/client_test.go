// The other side of the door.

package api_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/api"
	"github.com/onetimenotify/otn/core/otn"
)

func TestClient(t *testing.T) {
	f := &fake{}
	s := open(t, f)
	c := &api.Client{Base: s.URL, Key: otn.NewSecret(key), HTTP: s.Client()}
	var page api.Consents
	if err := c.Get(t.Context(), "/v1/consents", url.Values{"state": {"waiting"}}, &page); err != nil || page.Next != "more" || len(page.Consents) != 1 {
		t.Errorf("%+v %v", page, err)
	}
	var made api.SendAnswer
	if err := c.Post(t.Context(), "/v1/sends", "k2", core.SendRequest{Topic: "t"}, &made); err != nil || made.Run != "r1" || f.got.(core.SendRequest).Key == "" {
		t.Errorf("%+v %v", made, err)
	}
	f.err = otn.ErrUnknownTopic
	var p api.Problem
	if err := c.Post(t.Context(), "/v1/sends", "", core.SendRequest{Topic: "t"}, &made); !errors.As(err, &p) || p.Code != "unknown_topic" || p.Status != 404 {
		t.Errorf("got %v", err)
	}
	s.Close()
	if err := c.Get(t.Context(), "/v1/topics", nil, &page); !errors.Is(err, api.ErrUnreachable) || strings.Contains(err.Error(), key) {
		t.Errorf("got %v", err)
	}
}
