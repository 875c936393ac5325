// A rule file in the browser: checked as it is typed, tested, compared with what decides now, and only then activated.

package console

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/otn"
)

// editView is a rule file being edited.
type editView struct {
	Name, Text, Was string // Was is the hash of the text that was read
	Checked         *core.Checked
	At              int // the line to begin at; 0: the first
}

func (e editView) title() string { return "Edit " + base(e.Name) }

// Rows is how high the editor is.
func (e editView) Rows() int { return min(40, max(18, strings.Count(e.Text, "\n")+2)) }

// Errors is how many faults keep the file from being activated.
func (e editView) Errors() (n int) {
	for _, f := range e.Checked.Faults {
		if f.Severity == "error" {
			n++
		}
	}
	return n
}

func base(name string) string { return name[strings.LastIndexAny(name, `/\`)+1:] }

func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// fileOf finds a rule file among those of the configuration: no other file is read, whatever its name says.
func (c *console) fileOf(name string) (core.RuleFile, []core.RuleFile, error) {
	files, err := c.ruleFiles()
	if err != nil {
		return core.RuleFile{}, nil, err
	}
	at := slices.IndexFunc(files, func(f core.RuleFile) bool { return f.Name == name })
	if at < 0 || c.Author == nil {
		return core.RuleFile{}, nil, fmt.Errorf("%q is no rule file of this configuration: %w", name, otn.ErrNotFound)
	}
	return files[at], files, nil
}

func (c *console) edit(v *visit) (any, error) {
	f, files, err := c.fileOf(v.arg("file"))
	if err != nil {
		return nil, err
	}
	e := editView{Name: f.Name, Text: f.Source, Was: hashOf(f.Source)}
	e.Checked = c.faults(files, f)
	_, _ = fmt.Sscan(v.arg("line"), &e.At) // one that is no number is the first
	return e, nil
}

// edited is the file as the form has it, with the other files beside it.
func (c *console) edited(v *visit) (e editView, now core.RuleFile, files []core.RuleFile, err error) {
	now, files, err = c.fileOf(v.arg("file"))
	e = editView{Name: now.Name, Text: strings.ReplaceAll(v.PostFormValue("text"), "\r\n", "\n"), Was: v.arg("was")}
	return e, now, files, err
}

// faults checks all files, with one in the place of its old text, and keeps the faults of that one; of others the errors.
func (c *console) faults(files []core.RuleFile, edited core.RuleFile) *core.Checked {
	all := c.Author.Check(with(files, edited), false)
	all.Faults = slices.DeleteFunc(all.Faults, func(f core.RuleFault) bool { return f.File != edited.Name && f.Severity != "error" })
	return &all
}

// with is the files with one of them edited.
func with(files []core.RuleFile, edited core.RuleFile) []core.RuleFile {
	files = slices.Clone(files)
	for i := range files {
		if files[i].Name == edited.Name {
			files[i] = edited
		}
	}
	return files
}

// check answers with the faults of what is typed.
func (c *console) check(v *visit) (any, error) {
	e, _, files, err := c.edited(v)
	if err != nil {
		return nil, err
	}
	e.Checked = c.faults(files, core.RuleFile{Name: e.Name, Source: e.Text})
	return e, nil
}

// compareView is an edited file beside the one that is there: what changes in it, for whom, and how its tests end.
type compareView struct {
	editView
	Lines   []diffLine
	Same    bool
	Changed bool // the file has another text on disk than the one that was edited
	Effect  *core.Diff
	Tested  *Tested
	NoTests bool
}

func (e compareView) title() string { return "Compare " + base(e.Name) }

// diffLine is one line of the comparison: same, added, removed, or where a stretch begins.
type diffLine struct{ Kind, Text string }

// compare shows what activating would change, and changes nothing.
func (c *console) compare(v *visit) (any, error) {
	e, now, files, err := c.edited(v)
	if err != nil {
		return nil, err
	}
	file := core.RuleFile{Name: e.Name, Source: e.Text}
	e.Checked = c.faults(files, file)
	out := compareView{editView: e, Lines: lines(now.Source, e.Text), Same: now.Source == e.Text, Changed: hashOf(now.Source) != e.Was}
	if e.Errors() > 0 || out.Same {
		return out, nil
	}
	if v.arg("tests") != "" {
		if err := c.tryTests(v, &out); err != nil {
			return nil, err
		}
	}
	set, err := c.Author.Compile(with(files, file))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", err, otn.ErrInvalid)
	}
	d, err := c.host.Diff(v.Context(), core.DiffRequest{New: set})
	d.Rules = slices.DeleteFunc(d.Rules, func(r core.RuleDiff) bool { return r.Change == "same" && r.Gains+r.Loses+r.Rewords == 0 })
	out.Effect = &d
	return out, err
}

func (c *console) tryTests(v *visit, out *compareView) error {
	tested, err := c.Files.Test(v.Context(), out.Name, out.Text)
	if isAny(err, otn.ErrNotFound) {
		out.NoTests = true
		return nil
	}
	out.Tested = &tested
	return err
}

// lines is the difference of two texts, line by line, with a few lines around each change.
func lines(old, text string) (list []diffLine) {
	_, body, _ := strings.Cut(string(diff.Diff("old", []byte(old), "new", []byte(text))), "+++ new\n")
	for line := range strings.Lines(body) {
		kind := map[byte]string{'+': "added", '-': "removed", '@': "place"}[line[0]]
		list = append(list, diffLine{kind, strings.TrimSuffix(line, "\n")})
	}
	return list
}

// activate writes the file and lets it decide.
func (c *console) activate(v *visit) (done, error) {
	e, now, _, err := c.edited(v)
	if err != nil {
		return done{}, err
	}
	d := done{to: "/rules", said: base(e.Name) + " decides from now on. Nothing fires by it, and runs under way end with the rules that made them.", what: "rule file " + base(e.Name) + " " + hashOf(e.Text)[:12]}
	if hashOf(now.Source) != e.Was {
		return d, fmt.Errorf("%s was changed on disk since you opened it: your text was not written: %w", base(e.Name), otn.ErrConflict)
	}
	return d, c.Files.Activate(v.Context(), e.Name, now.Source, e.Text)
}
