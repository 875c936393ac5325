// The alerts and the dashboard name only what the daemon tells, and every metric has a place where somebody sees it.

package operate_test

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// alert is one rule of alerts.yaml.
type alert struct {
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

func alerts(t *testing.T) (list []alert) {
	t.Helper()
	var file struct {
		Groups []struct {
			Name  string  `yaml:"name"`
			Rules []alert `yaml:"rules"`
		} `yaml:"groups"`
	}
	read(t, "alerts.yaml", &file)
	for _, g := range file.Groups {
		list = append(list, g.Rules...)
	}
	return list
}

func read(t *testing.T, path string, v any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err == nil {
		err = yaml.UnmarshalWithOptions(text, v, yaml.Strict())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// panels are the expressions of the dashboard by the title of their panel, with what Grafana puts in for its variables.
func panels(t *testing.T) map[string][]string {
	t.Helper()
	var board struct {
		Panels []struct {
			Title, Type string
			Targets     []struct{ Expr string }
		}
	}
	text, err := os.ReadFile("dashboard.json")
	if err == nil {
		err = json.Unmarshal(text, &board)
	}
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]string{}
	stands := strings.NewReplacer("$__rate_interval", "1m", "$job", "otn", "$channel", ".*")
	for _, p := range board.Panels {
		if len(p.Targets) == 0 && p.Type != "row" {
			t.Errorf("panel %q shows nothing", p.Title)
		}
		for _, q := range p.Targets {
			all[p.Title] = append(all[p.Title], stands.Replace(q.Expr))
		}
	}
	return all
}

// told are the metrics that the daemon tells, with their kind: its own test holds the list.
func told(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../../cmd/otn/metrics/testdata/metrics.txt")
	if err != nil {
		t.Fatal(err)
	}
	lines, kinds := strings.Split(strings.TrimSpace(string(text)), "\n"), map[string]string{}
	for i := 0; i+1 < len(lines); i += 2 {
		name, _, _ := strings.Cut(lines[i], " ")
		kinds[name] = strings.TrimSpace(lines[i+1])
	}
	return kinds
}

// named are the metrics of ours that an expression names. A histogram is named by its parts.
func named(expr string, kinds map[string]string) (names, wrong []string) {
	for _, word := range regexp.MustCompile(`otn_[a-z_]+`).FindAllString(expr, -1) {
		name := word
		for _, part := range []string{"_bucket", "_count", "_sum"} {
			if base, ok := strings.CutSuffix(word, part); ok && kinds[base] == "histogram" {
				name = base
			}
		}
		if kind, ok := kinds[name]; !ok || kind == "histogram" && name == word {
			wrong = append(wrong, word)
		}
		names = append(names, name)
	}
	return names, wrong
}

func TestAlertsNameWhatTheDaemonTells(t *testing.T) {
	kinds := told(t)
	for _, a := range alerts(t) {
		names, wrong := named(a.Expr, kinds)
		if len(wrong) > 0 || len(names) == 0 && a.Alert != "OtnDown" {
			t.Errorf("%s names %v, of which %v does not exist", a.Alert, names, wrong)
		}
		if a.Annotations["summary"] == "" || a.Annotations["do"] == "" || a.Labels["severity"] == "" {
			t.Errorf("%s does not say what is wrong, how bad it is and what to do", a.Alert)
		}
	}
}

func TestDashboardShowsEveryMetric(t *testing.T) {
	kinds := told(t)
	shown := map[string]bool{}
	for title, list := range panels(t) {
		for _, expr := range list {
			names, wrong := named(expr, kinds)
			if len(wrong) > 0 {
				t.Errorf("panel %q names %v, which does not exist", title, wrong)
			}
			for _, n := range names {
				shown[n] = true
			}
		}
	}
	for name := range kinds {
		if !shown[name] {
			t.Errorf("no panel shows %s", name)
		}
	}
}

// Each alert is tried: on series on which it fires, and on series on which it does not.
func TestEveryAlertIsTried(t *testing.T) {
	var file struct {
		RuleFiles []string `yaml:"rule_files"`
		Every     string   `yaml:"evaluation_interval"`
		Tests     []struct {
			Name     string `yaml:"name"`
			Interval string `yaml:"interval"`
			Series   []any  `yaml:"input_series"`
			Exprs    []any  `yaml:"promql_expr_test"`
			Rules    []struct {
				At     string `yaml:"eval_time"`
				Alert  string `yaml:"alertname"`
				Alerts []any  `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		} `yaml:"tests"`
	}
	read(t, "alerts.test.yaml", &file)
	var quiet []string
	for _, r := range file.Tests[0].Rules {
		if len(r.Alerts) == 0 {
			quiet = append(quiet, r.Alert)
		}
	}
	for _, a := range alerts(t) {
		if !slices.Contains(quiet, a.Alert) {
			t.Errorf("nothing shows that %s does not always fire", a.Alert)
		}
	}
}

// The page beside this says of every metric what it is, in the daemon's own words.
func TestREADMENamesEveryMetric(t *testing.T) {
	page, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../../cmd/otn/metrics/testdata/metrics.txt")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	for i := 0; i+1 < len(lines); i += 2 {
		name, help, _ := strings.Cut(lines[i], " ")
		if row := "| `" + name + "` | " + strings.TrimSpace(lines[i+1]) + " | " + help + " |\n"; !strings.Contains(string(page), row) {
			t.Errorf("README.md has no row %s", row)
		}
	}
}
