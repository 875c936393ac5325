// otn keys and otn audit: who may speak to the operator's door, and what they did there.

package main

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/api"
)

func (k *call) keys() *cobra.Command {
	cmd := k.noun("keys", "Who may speak to the operator's door", "  otn keys\n  otn keys create zapier --scope submit --expires 90d\n  otn keys revoke k3v9q0c2m8xa", func(*cobra.Command) {},
		func(ctx context.Context, _ []string) error {
			var page api.Keys
			if err := k.read(ctx, "/v1/keys", nil, &page); err != nil {
				return err
			}
			return k.show(page, k.keyTable(page.Keys))
		})
	cmd.GroupID = "set"
	cmd.AddCommand(k.createKey(), k.one("revoke ID", "Let a key in no more, at once", "  otn keys revoke k3v9q0c2m8xa", func(ctx context.Context, c *api.Client, id string) error {
		var v api.Revoked
		if err := c.Delete(ctx, "/v1/keys/"+url.PathEscape(id), &v); err != nil {
			return err
		}
		t := &table{head: []string{"REVOKED"}}
		t.add(v.ID)
		return k.show(v, t)
	}))
	return cmd
}

func (k *call) createKey() *cobra.Command {
	var scopes []string
	var expires string
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Make a key, and print its secret once", Args: cobra.ExactArgs(1),
		Long: "Make a key, and print its secret once: the store keeps a hash. NAME is for people.\n\n" +
			"read looks at everything but keys, tokens and the audit log. submit says what is known: observations, triggers, consents, tags.\n" +
			"send reaches people: asks, sends, runs, doubtful deliveries. admin is everything. A key may have several.",
		Example: "  otn keys create dashboard --scope read\n  otn keys create zapier --scope submit,read --expires 90d",
		RunE: k.does(func(ctx context.Context, args []string) error {
			b := api.KeyBody{Name: args[0]}
			for _, s := range scopes {
				b.Scopes = append(b.Scopes, core.Scope(s))
			}
			var err error
			if b.ExpiresAt, err = expiry(expires, time.Now()); err != nil {
				return err
			}
			c, err := k.client()
			if err != nil {
				return err
			}
			var v api.NewKey
			if err := c.Post(ctx, "/v1/keys", "", b, &v); err != nil {
				return err
			}
			k.say("otn: this is shown once: keep it where secrets are kept")
			t := &table{head: []string{"KEY", "NAME", "SCOPES", "EXPIRES", "SECRET"}}
			t.add(v.ID, v.Name, scopeList(v.Scopes), k.moment(v.ExpiresAt), v.Secret)
			return k.show(v, t)
		}),
	}
	f := cmd.Flags()
	f.StringSliceVar(&scopes, "scope", nil, "what it may do: read, submit, send, admin; several with commas")
	f.StringVar(&expires, "expires", "", "until when, as in 90d, 12h or 2027-01-31; left out: for ever")
	_ = cmd.MarkFlagRequired("scope")
	_ = cmd.RegisterFlagCompletionFunc("scope", cobra.FixedCompletions([]string{"read", "submit", "send", "admin"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// expiry reads a length of time from now, days allowed, or a day or moment.
func expiry(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n > 0 && n < 36500 {
			return now.AddDate(0, 0, n), nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return now.Add(d), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, usage("--expires %q: want a length of time as in 90d or 12h, or a day as in 2027-01-31", text)
}

func scopeList(scopes []core.Scope) string {
	parts := make([]string, len(scopes))
	for i, s := range scopes {
		parts[i] = string(s)
	}
	return strings.Join(parts, " ")
}

func (k *call) keyTable(list []core.Key) *table {
	t := &table{head: []string{"KEY", "NAME", "SCOPES", "CREATED", "EXPIRES", "LAST USED"}}
	for _, v := range list {
		t.add(v.ID, v.Name, scopeList(v.Scopes), k.moment(v.CreatedAt), k.moment(v.ExpiresAt), k.moment(v.LastUsed))
	}
	return t
}

func (k *call) audit() *cobra.Command {
	var l listing
	var key, act string
	cmd := k.noun("audit", "What operators and keys did, newest first", "  otn audit --key k3v9q0c2m8xa\n  otn audit --act erase --limit 0\n  otn audit verify",
		func(cmd *cobra.Command) {
			l.flag(cmd)
			cmd.Flags().StringVar(&key, "key", "", "by this key, by its id")
			cmd.Flags().StringVar(&act, "act", "", "of this kind, as in approve-run")
		},
		func(ctx context.Context, _ []string) error {
			c, err := k.client()
			if err != nil {
				return err
			}
			list, err := pages(ctx, k, c, "/v1/audit", query("key", key, "act", act), l, func(p api.Audit) ([]core.AuditEntry, string) { return p.Entries, p.Next })
			if err != nil {
				return err
			}
			t := &table{head: []string{"N", "AT", "KEY", "FROM", "ACT", "WHAT", "OUTCOME", "REQUEST"}}
			for _, e := range list {
				t.add(number(e.N), k.moment(e.At), dash(e.Key), dash(e.From), e.Act, dash(e.What), e.Outcome, dash(e.Request))
			}
			return k.show(api.Audit{Entries: list}, t)
		})
	cmd.GroupID = "keep"
	cmd.AddCommand(k.verifyAudit())
	return cmd
}

func (k *call) verifyAudit() *cobra.Command {
	var known string
	cmd := &cobra.Command{
		Use: "verify", Short: "Find out whether every entry of the audit log is what was written", Args: cobra.NoArgs,
		Long: "Find out whether every entry of the audit log is what was written: each is bound to the one before by its hash. An entry that was\n" +
			"changed, taken away or moved is named, and the exit code is 1. Keep N:HASH of the last entry somewhere else, and give it with --known\n" +
			"the next time: then nobody can have written the whole log anew.",
		Example: "  otn audit verify\n  otn audit verify --known 1042:9f2c…",
		RunE: k.does(func(ctx context.Context, _ []string) error {
			n, hash, found := strings.Cut(known, ":")
			if _, err := strconv.ParseUint(n, 10, 64); known != "" && (err != nil || !found) {
				return usage("--known %q: want N:HASH, as an earlier verify printed it", known)
			}
			var r core.AuditReport
			if err := k.read(ctx, "/v1/audit/verification", query("n", n, "hash", hash), &r); err != nil {
				return err
			}
			t := &table{head: []string{"ENTRY", "FAULT"}}
			for _, f := range r.Faults {
				t.add(number(f.N), f.What)
			}
			t.note(fmt.Sprintf("%d entries; the last is %d:%s", r.Entries, r.Last, dash(r.Hash)))
			if err := k.show(r, t); err != nil {
				return err
			}
			if len(r.Faults) > 0 {
				return &coded{exitFailed, fmt.Errorf("the audit log is not what was written: %d faults", len(r.Faults)+r.More), "find out who can write to the store's folder, and keep the folder as it is"}
			}
			return nil
		}),
	}
	cmd.Flags().StringVar(&known, "known", "", "an entry that is known from elsewhere, as `N:HASH`")
	return cmd
}
