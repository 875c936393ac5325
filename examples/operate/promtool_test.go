//go:build promtool

// What Prometheus itself says of the alerts and the dashboard: it needs promtool, which comes with Prometheus.

package operate_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

func promtool(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("promtool", args...).CombinedOutput()
	if err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// Every alert parses, fires on what it is for, and is quiet else.
func TestAlerts(t *testing.T) {
	out := promtool(t, "check", "rules", "alerts.yaml")
	if want := fmt.Sprintf("%d rules found", len(alerts(t))); !strings.Contains(out, want) {
		t.Errorf("want %s:\n%s", want, out)
	}
	promtool(t, "test", "rules", "alerts.test.yaml")
}

// Every expression of the dashboard parses.
func TestDashboardParses(t *testing.T) {
	type rule struct {
		Record string `yaml:"record"`
		Expr   string `yaml:"expr"`
	}
	var rules []rule
	for _, list := range panels(t) {
		for _, expr := range list {
			rules = append(rules, rule{fmt.Sprintf("panel:%d", len(rules)), expr})
		}
	}
	text, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "dashboard", "rules": rules}}})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if out := promtool(t, "check", "rules", path); !strings.Contains(out, fmt.Sprintf("%d rules found", len(rules))) {
		t.Errorf("not all were read:\n%s", out)
	}
}

// The scrape configuration is one.
func TestScrapeConfiguration(t *testing.T) {
	promtool(t, "check", "config", "prometheus.yml")
}
