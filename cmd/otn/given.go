// The facts that eval, explain and preview decide from: a file, and settings that stand over it.

package main

import (
	"errors"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/onetimenotify/otn/cmd/otn/config"
	"github.com/onetimenotify/otn/rules"
)

// factsText is the form of a facts file.
const factsText = `The facts file, of which every part may be left out:
  at: 2026-11-27T09:00:00-05:00            # the moment of the decision; now
  item: {id: SKU-1, title: Wool coat, price: 99.00 USD, stock: 3, tags: [vip], attrs: {section: A}}
  collection: {id: winter, published: true, top: [{id: SKU-1, price: 99.00 USD}]}   # instead of an item
  was: {price: 120.00 USD}                 # before the event; what is left out is as now
  first_seen: false
  last: {at: 2026-11-26T09:00:00Z, stock: 0}   # at the rule's last decision; what is left out is as now
  sub: {id: ann, channel: shop, tz: America/New_York, locale: en-US, price_then: 120.00 USD, low_since: 110.00 USD,
        granted_at: 2026-11-20T09:00:00Z, answers: {target: 100.00 USD}, tags: [vip], consents: 1}
  trigger: {title: Winter, url: "https://shop.example/winter"}
A fact that is left out, or null, is not known.`

// givenFacts is how facts are given on the command line.
type givenFacts struct {
	with  string
	set   []string
	rules []string
}

func (g *givenFacts) flag(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&g.with, "with", "", "the facts `file`; - reads from stdin")
	f.StringArrayVar(&g.set, "set", nil, "one fact as `NAME=VALUE`, over the file: item.stock=3; may be repeated")
	f.StringArrayVar(&g.rules, "rules", nil, "a rule `file`, instead of those of the configuration; may be repeated")
}

// offline reports that facts were given, so that no daemon is asked.
func (g *givenFacts) offline() bool { return g.with != "" || len(g.set) > 0 }

// facts reads what is given.
func (k *call) facts(g *givenFacts) (*rules.Given, error) {
	f := rules.File{}
	if g.with != "" {
		text, err := k.readInput(g.with)
		if err != nil {
			return nil, err
		}
		f = rules.File{Name: g.with, Source: text}
		if g.with == "-" {
			f.Name = "stdin"
		}
	}
	return rules.ReadGiven(f, time.Now(), g.set...)
}

// rulesFor compiles the rules that facts are seen with. Where there is no configuration, and none was asked for, there are none.
func (k *call) rulesFor(g *givenFacts) (*rules.Set, error) {
	if len(g.rules) > 0 {
		files, err := readRules(g.rules)
		if err != nil {
			return nil, err
		}
		return rules.Compile(files...)
	}
	if _, err := os.Stat(k.file); errors.Is(err, fs.ErrNotExist) && k.file == defaultConfig {
		return rules.Compile()
	}
	if err := k.load(config.Rules); err != nil {
		return nil, err
	}
	files, err := readRules(k.config.Rules)
	if err != nil {
		return nil, err
	}
	return rules.Compile(files...)
}
