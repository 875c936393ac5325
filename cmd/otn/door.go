// The way to the daemon's admin door: its address, its key, and pages.

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/onetimenotify/otn/cmd/otn/config"
	"github.com/onetimenotify/otn/core/api"
)

// patience is how long a call of the door may take.
const patience = 60 * time.Second

// addrFile is the file in the store's folder in which a running daemon writes where its doors are.
const addrFile = "otn.addr"

// doors are the addresses at which a daemon listens.
type doors struct {
	Hooks string `json:"hooks"`
	Admin string `json:"admin"`
}

// client loads the configuration and goes to the door of the daemon that runs with it. A running daemon says in its
// store's folder where it listens, whatever flags it was given; the configuration is asked when none has said so.
func (k *call) client() (*api.Client, error) {
	if err := k.load(config.Door); err != nil {
		return nil, err
	}
	address := k.config.Admin
	if d, err := readDoors(k.config.Data); err == nil {
		address = d.Admin
	} else if _, port, _ := net.SplitHostPort(address); port == "0" {
		return nil, k.absent(err)
	}
	key, err := api.ReadKey(k.config.Data)
	if err != nil {
		return nil, k.absent(err)
	}
	c := &api.Client{Base: "http://" + address, Key: key, HTTP: &http.Client{Timeout: patience}}
	if !k.config.AdminTLS.Set() {
		return c, nil
	}
	c.Base = "https://" + address
	if c.HTTP.Transport, err = pinned(k.config.AdminTLS.Cert); err != nil {
		return nil, &coded{exitConfig, err, "tls.admin.cert names the certificate of the operator's door"}
	}
	return c, nil
}

// absent says that no daemon has run here, when that is why a file is missing.
func (k *call) absent(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return &coded{exitUnreachable, fmt.Errorf("no daemon has run with %s: there is nothing in %s", k.file, k.config.Data), "start it with `otn serve`, or name its configuration with -c"}
	}
	return &coded{exitUnauthorised, err, "run this as the account that runs the daemon"}
}

func readDoors(data string) (doors, error) {
	var d doors
	text, err := os.ReadFile(filepath.Join(data, addrFile))
	if err != nil {
		return d, err
	}
	return d, json.Unmarshal(text, &d)
}

// listing is how many rows a list shows.
type listing struct{ limit int }

func (l *listing) flag(cmd *cobra.Command) {
	cmd.Flags().IntVar(&l.limit, "limit", 100, "how many to show; 0 shows all")
}

// pages gathers a list over the pages of path, and says when there is more than the limit.
func pages[P, V any](ctx context.Context, k *call, c *api.Client, path string, q url.Values, l listing, open func(P) ([]V, string)) ([]V, error) {
	all := []V{}
	for {
		size := 1000
		if l.limit > 0 {
			size = min(size, l.limit-len(all))
		}
		q.Set("limit", fmt.Sprint(size))
		var page P
		if err := c.Get(ctx, path, q, &page); err != nil {
			return nil, err
		}
		list, next := open(page)
		all = append(all, list...)
		if next == "" {
			return all, nil
		}
		if l.limit > 0 && len(all) >= l.limit {
			k.say("otn: there are more: --limit 0 shows all")
			return all, nil
		}
		q.Set("cursor", next)
	}
}

// query makes the parameters of a call from pairs; empty values are left out.
func query(pairs ...string) url.Values {
	q := url.Values{}
	for pair := range slices.Chunk(pairs, 2) {
		if name, v := pair[0], pair[1]; v != "" {
			q.Set(name, v)
		}
	}
	return q
}
