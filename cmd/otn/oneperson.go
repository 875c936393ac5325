// A rule looked at for one person: of the running daemon, or with facts that are given. explain and preview are such looks.

package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/onetimenotify/otn/core/api"
	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/rules"
)

// onePerson is a command that looks at a rule for one person.
type onePerson struct {
	live  func(ctx context.Context, c *api.Client, b api.LookBody) error
	given func(set *rules.Set, f otn.Facts, c *otn.Consent) error
}

// forOne gives a command its flags, and runs the look that they ask for.
func (k *call) forOne(cmd *cobra.Command, look onePerson) *cobra.Command {
	var given givenFacts
	var who, subject string
	var told []string
	given.flag(cmd)
	cmd.Flags().StringVar(&who, "sub", "", "the person, as `channel/id`, or id alone when there is one channel")
	cmd.Flags().StringVar(&subject, "subject", "", "the item or collection; left out: the one that the person waits for")
	cmd.Flags().StringArrayVar(&told, "field", nil, "with --sub: a field of the trigger as `NAME=VALUE`; left out: those of the last one; may be repeated")
	cmd.Args = cobra.ExactArgs(1)
	cmd.RunE = k.does(func(ctx context.Context, args []string) error {
		switch {
		case given.offline() && (who != "" || subject != "" || len(told) > 0):
			return usage("--sub, --subject and --field ask the daemon, --with and --set do not: give one or the other")
		case who == "" && !given.offline():
			return usage("say for whom: --sub CHANNEL/ID asks the daemon; --set item.stock=3 or --with FILE takes facts that you give")
		case who == "":
			return k.lookGiven(args[0], &given, look)
		}
		fields, err := assignments(told)
		if err != nil {
			return err
		}
		c, err := k.client()
		if err != nil {
			return err
		}
		channel, id := k.person(who)
		return look.live(ctx, c, api.LookBody{Rule: args[0], Subject: subject, Channel: channel, Recipient: id, Fields: fields})
	})
	return cmd
}

// lookGiven needs no daemon.
func (k *call) lookGiven(rule string, given *givenFacts, look onePerson) error {
	set, err := k.rulesFor(given)
	if err != nil {
		return err
	}
	facts, err := k.facts(given)
	if err != nil {
		return err
	}
	f, c, err := set.Facts(rule, facts)
	if err != nil {
		return absentOr(err)
	}
	return look.given(set, f, c)
}

// subjectOf names what facts are about.
func subjectOf(f otn.Facts) string {
	switch {
	case f.Now.Item != nil:
		return f.Now.Item.ID
	case f.Now.Collection != nil:
		return f.Now.Collection.ID
	}
	return ""
}
