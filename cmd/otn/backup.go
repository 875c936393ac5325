// otn backup, restore, verify: copies of the store, and the store made of a copy.

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"github.com/onetimenotify/otn/cmd/otn/config"
	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/api"
	"github.com/onetimenotify/otn/core/otn"
)

func (k *call) backup() *cobra.Command {
	return &cobra.Command{
		Use: "backup DIR", GroupID: "keep", Short: "Copy the store while the daemon runs", Args: cobra.ExactArgs(1),
		Long: "Copy the store to DIR, a folder that is empty or not there yet, while the daemon runs and goes on. The copy is opened\n" +
			"again and compared row by row before the command ends.\n\n" +
			"Keep the key file (otn.key in the data folder) elsewhere: without it no backup can be read. The folder witness beside the\n" +
			"store knows which tokens were claimed after the backup was made: when the store is lost, save it from the disk. On the\n" +
			"same file system the copy shares its tables with the store: take it to another disk.",
		Example: "  otn backup /var/backups/otn/2026-11-27",
		RunE: k.does(func(ctx context.Context, args []string) error {
			c, err := k.client()
			if err != nil {
				return err
			}
			dir, err := filepath.Abs(args[0])
			if err != nil {
				return err
			}
			c.HTTP.Timeout = 0 // as long as the store is large
			var b core.Backup
			if err := c.Post(ctx, "/v1/backups", "", api.BackupBody{Dir: dir}, &b); err != nil {
				return err
			}
			return k.showBackup(dir, b)
		}),
	}
}

func (k *call) showBackup(dir string, b core.Backup) error {
	size := int64(0)
	for _, f := range b.Files {
		size += f.Size
	}
	t := &table{head: []string{"BACKUP", "MADE", "CONSENTS", "UNKNOWN", "FILES", "BYTES"}}
	t.add(dir, k.moment(b.MadeAt), number(b.Consents), number(b.Unknown), number(len(b.Files)), number(size))
	return k.show(b, t)
}

// restoring is what restore was told.
type restoring struct {
	core.RestoreConfig
	yes bool
}

func (k *call) restore() *cobra.Command {
	var r restoring
	cmd := &cobra.Command{
		Use: "restore DIR | restore --keep", GroupID: "keep", Short: "Make a backup the store, with nobody told twice", Args: cobra.MaximumNArgs(1),
		Long: "Make a backup the store of the data folder. The daemon is stopped first.\n\n" +
			"A backup knows tokens as waiting that were spent after it was made. The folder witness beside the store remembers which\n" +
			"were claimed since: those become unknown, and are ended by otn deliveries resolve. Without the witness nobody can tell,\n" +
			"and everybody who waits becomes unknown. On a new machine, put the witness that was saved from the old disk into the\n" +
			"empty data folder and say --witness-is-last; an older copy of it has not seen the last claims, and is no help.\n\n" +
			"The witness also knows who was erased, which consents were withdrawn and which keys were revoked since: they are again.\n" +
			"Runs that were open are paused, timers whose moment has passed are dropped.\n\n" +
			"--keep takes the store that is there as it is: when the daemon says that it lost its end, or that its witness is gone.",
		Example: "  otn restore /var/backups/otn/2026-11-27 --replace\n  otn restore --keep\n" +
			"  # on a new machine\n  otn restore /mnt/backup/2026-11-27 --key-file /mnt/keys/otn.key",
		RunE: k.does(func(ctx context.Context, args []string) error {
			if (len(args) == 0) != r.Keep {
				return usage("name a backup, or say --keep")
			}
			if len(args) > 0 {
				r.From = args[0]
			}
			return k.restored(ctx, r)
		}),
	}
	f := cmd.Flags()
	f.BoolVar(&r.Keep, "keep", false, "take the store that is there as it is")
	f.BoolVar(&r.Replace, "replace", false, "set the store that is there aside")
	f.StringVar(&r.KeyFile, "key-file", "", "the key `file` of the backup, which becomes that of the data folder; left out: otn.key that is there")
	f.BoolVar(&r.WitnessIsLast, "witness-is-last", false, "the witness that was put into a new data folder comes from the disk of a daemon that had ended")
	f.BoolVar(&r.yes, "yes", false, "do not ask")
	return cmd
}

func (k *call) restored(ctx context.Context, r restoring) error {
	if err := k.load(config.Door); err != nil {
		return err
	}
	r.Dir, r.Now = k.config.Data, time.Now()
	if !r.yes {
		if err := k.mayRestore(ctx, r); err != nil {
			return err
		}
	}
	done, err := core.Restore(ctx, r.RestoreConfig)
	if err != nil {
		return err
	}
	t := &table{head: []string{"DATA", "WAITING", "UNKNOWN", "BEFORE"}}
	t.add(r.Dir, number(done.Consents), number(done.Unknown), dash(done.Aside))
	if done.All {
		if done.WitnessDoubted {
			k.say("otn: the witness in %s was put there, and may be older than the last claim: everybody who waited is unknown now;", r.Dir)
			k.say("     where it comes from the disk of the daemon after it had ended, restore again with --replace --witness-is-last")
		} else {
			k.say("otn: no witness knows which tokens were claimed since: everybody who waited is unknown now")
		}
		k.say("otn: nor who was erased and which keys were revoked since: erase them again, and look at `otn keys`, of which %s are let in", number(done.Keys))
	}
	if done.Withdrawn+done.Erased+done.Revoked > 0 {
		k.say("otn: what was done since the backup holds: consents withdrawn again %d, people erased again %d, keys revoked again %d", done.Withdrawn, done.Erased, done.Revoked)
	}
	k.say("otn: start the daemon, look at `otn deliveries --outcome unknown` and at `otn runs --state paused`")
	return k.show(done, t)
}

// mayRestore wants the word typed. Without a terminal nobody can be asked.
func (k *call) mayRestore(ctx context.Context, r restoring) error {
	in, ok := k.stdin.(*os.File)
	if !ok || !isatty.IsTerminal(in.Fd()) {
		return &coded{exitUsage, fmt.Errorf("this changes the store in %s", r.Dir), "add --yes to do it without being asked"}
	}
	typed, err := k.typed(ctx, in, fmt.Sprintf("This changes the store in %s. Type restore to go on: ", r.Dir))
	if err == nil && typed != "restore" {
		err = &coded{exitRefused, fmt.Errorf("nothing was changed"), ""}
	}
	return err
}

func (k *call) verify() *cobra.Command {
	return &cobra.Command{
		Use: "verify [DIR]", GroupID: "keep", Short: "Read a backup, or the stopped store, whole", Args: cobra.MaximumNArgs(1),
		Long: "Read every row of a backup, or without DIR of the store in the data folder while the daemon is stopped, and compare it\n" +
			"with those that have to agree with it: each waiting consent with its token, its person, its expiry and the counts.\n" +
			"Nothing is changed. Exit 74 when something disagrees.",
		Example: "  otn verify /var/backups/otn/2026-11-27\n  otn verify",
		RunE: k.does(func(ctx context.Context, args []string) error {
			if len(args) > 0 {
				b, err := core.VerifyBackup(ctx, args[0], otn.Secret{})
				if err != nil {
					return err
				}
				return k.showBackup(args[0], b)
			}
			if err := k.load(config.Door); err != nil {
				return err
			}
			report, err := core.VerifyStore(ctx, k.config.Data)
			if err != nil {
				return err
			}
			t := &table{head: []string{"DATA", "CONSENTS", "UNKNOWN", "OPEN CLAIMS", "WRITES"}}
			t.add(k.config.Data, number(report.Consents), number(report.Doubts), number(report.OpenClaims), number(report.Writes))
			return k.show(report, t)
		}),
	}
}
