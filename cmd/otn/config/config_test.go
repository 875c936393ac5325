// What a configuration says, and what is said of a wrong one.

package config_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/onetimenotify/otn/cmd/otn/config"
)

var update = flag.Bool("update", false, "write the golden files anew")

const good = `data: ./data
listen: {hooks: "127.0.0.1:0", admin: "localhost:9000"}
public_url: https://otn.shop.example
timezone: America/New_York
rules: ["rules/*.yaml"]
channels:
  shop:
    plugin: messenger
    rate: 600/m
    config:
      page_id: "111"
      page_token: "${env:PAGE_TOKEN}"
      app_secret: ["${file:app.txt}", "pre-${env:PAGE_TOKEN}-post"]
      literal_secret: hunter2hunter2
      graph_url: http://me:hunter3hunter3@127.0.0.1/v25.0
      big: 9007199254740993
      plain: "$${kept}"
sources:
  store-1: {plugin: shopify, config: {currency: USD, limit: 3}}
`

// shop makes a folder with a configuration and what it names.
func shop(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{"otn.yaml": text, "rules/a.yaml": "version: 1\n", "app.txt": "app-canary\n", "other.txt": "elsewhere"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func builtins() []string { return []string{"messenger", "mock", "shopify"} }

func load(dir string, env []string, flags map[string]string) (*config.Config, error) {
	return config.Load(config.Options{File: filepath.Join(dir, "otn.yaml"), Env: env, Flags: flags, Builtins: builtins()})
}

func TestLoad(t *testing.T) {
	dir := shop(t, good)
	c, err := load(dir, []string{"PAGE_TOKEN=page-canary"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.Data != filepath.Join(dir, "data") || c.Hooks != "127.0.0.1:0" || c.Admin != "localhost:9000" || c.Zone.String() != "America/New_York" {
		t.Errorf("got %+v", c)
	}
	if len(c.Rules) != 1 || c.Rules[0] != filepath.Join(dir, "rules/a.yaml") {
		t.Errorf("rules %q", c.Rules)
	}
	if c.Channels[0].Rate != 10 || !c.Channels[0].Builtin {
		t.Errorf("channel %+v", c.Channels[0])
	}
	want := `{"app_secret":["app-canary","pre-page-canary-post"],"big":9007199254740993,"graph_url":"http://me:hunter3hunter3@127.0.0.1/v25.0",` +
		`"literal_secret":"hunter2hunter2","page_id":"111","page_token":"page-canary","plain":"${kept}"}`
	if got := c.Channels[0].Settings.Reveal(); got != want {
		t.Errorf("settings\n%s\nwant\n%s", got, want)
	}
	if got := c.Sources[0].Settings.Reveal(); got != `{"currency":"USD","limit":3}` {
		t.Errorf("settings %s", got)
	}
}

// Defaults < file < environment < flags, and config show says which.
func TestOrder(t *testing.T) {
	dir := shop(t, good)
	env := []string{
		"PAGE_TOKEN=x", "OTN_LISTEN__ADMIN=127.0.0.1:1", "OTN_LISTEN__HOOKS=127.0.0.1:2",
		"OTN_CHANNELS__SHOP__CONFIG__PAGE_TOKEN_FILE=" + filepath.Join(dir, "other.txt"),
		"OTN_SOURCES__STORE_1__CONFIG__LIMIT=4", "OTN_SOURCES__STORE_1__CONFIG__CURRENCY=EUR",
		"OTN_PORT=tcp://10.0.0.1:80", "OTN_SERVICE_HOST=10.0.0.1",
	}
	c, err := load(dir, env, map[string]string{"listen.hooks": "127.0.0.1:3"})
	if err != nil {
		t.Fatal(err)
	}
	if c.Admin != "127.0.0.1:1" || c.Hooks != "127.0.0.1:3" {
		t.Errorf("admin %s hooks %s", c.Admin, c.Hooks)
	}
	if got := c.Sources[0].Settings.Reveal(); got != `{"currency":"EUR","limit":4}` {
		t.Errorf("settings %s", got)
	}
	if !strings.Contains(c.Channels[0].Settings.Reveal(), `"page_token":"elsewhere"`) {
		t.Error("the variable's file was not read")
	}
	if len(c.Warnings) != 0 {
		t.Errorf("a stranger's variables were warned of: %q", c.Warnings)
	}
	origins := map[string]string{}
	for _, e := range c.Entries() {
		origins[e.Key] = e.Origin
	}
	file := filepath.Join(dir, "otn.yaml")
	for key, want := range map[string]string{
		"data": file + ":1:7", "listen.admin": "OTN_LISTEN__ADMIN", "listen.hooks": "--listen-hooks", "plugins.dir": "default",
		"channels.shop.rate": file + ":9:11", "sources.store-1.config.limit": "OTN_SOURCES__STORE_1__CONFIG__LIMIT",
		"channels.shop.config.page_token": "OTN_CHANNELS__SHOP__CONFIG__PAGE_TOKEN_FILE",
	} {
		if origins[key] != want {
			t.Errorf("%s came from %q, want %q", key, origins[key], want)
		}
	}
}

// Nothing that config prints holds a secret: not the entries, not a fault, not the Config itself.
func TestSecretsAreNotShown(t *testing.T) {
	dir := shop(t, good)
	env := []string{"PAGE_TOKEN=page-canary", "OTN_CHANNELS__SHOP__CONFIG__PAGE_ID=env-canary"}
	c, err := load(dir, env, nil)
	if err != nil {
		t.Fatal(err)
	}
	seen := fmt.Sprintf("%v %+v %#v", c.Entries(), *c, c.Channels)
	for _, secret := range []string{"page-canary", "env-canary", "app-canary", "hunter2", "hunter3"} {
		if strings.Contains(seen, secret) {
			t.Errorf("%s is shown in %s", secret, seen)
		}
	}
	if !strings.Contains(seen, "${env:PAGE_TOKEN}") {
		t.Error("a reference should be shown as it is written")
	}
	_, err = load(shop(t, strings.Replace(good, "rate: 600/m", "rate: ${env:PAGE_TOKEN}", 1)), env, nil)
	if err == nil || strings.Contains(err.Error(), "page-canary") {
		t.Errorf("a fault shows a secret: %v", err)
	}
}

// A client of the admin door needs no secret and no rule file.
func TestDoor(t *testing.T) {
	dir := shop(t, strings.Replace(good, "rules/*", "nowhere/*", 1))
	o := config.Options{File: filepath.Join(dir, "otn.yaml"), Builtins: builtins(), Part: config.Door}
	if _, err := config.Load(o); err != nil {
		t.Fatal(err)
	}
	o.Part = config.Whole
	if _, err := config.Load(o); err == nil {
		t.Fatal("a daemon was started without its secret")
	}
}

// A plugin's own faults stand at the settings they are about.
func TestTrial(t *testing.T) {
	dir := shop(t, good)
	o := config.Options{File: filepath.Join(dir, "otn.yaml"), Env: []string{"PAGE_TOKEN=x"}, Builtins: builtins()}
	o.Open = func(i config.Instance) config.Opened {
		if i.Plugin == "shopify" && i.Name == "store-1" && i.Settings.Reveal() == `{"currency":"USD","limit":3}` {
			return config.Opened{Wrong: []config.Wrong{{Path: "limit", Message: "is too small"}, {Path: "shop", Message: "is required"}, {Message: "is odd"}}}
		}
		return config.Opened{}
	}
	_, err := config.Load(o)
	if err == nil {
		t.Fatal("no fault")
	}
	for _, want := range []string{":19:61: sources.store-1.config.limit: is too small", ":19:3: sources.store-1.config.shop: is required", ":19:3: sources.store-1: is odd"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in\n%s", want, err)
		}
	}
}

// What is checked offline needs no secret: what stands for one is not judged, and everything else is.
func TestOffline(t *testing.T) {
	dir := shop(t, good)
	o := config.Options{File: filepath.Join(dir, "otn.yaml"), Builtins: builtins(), Part: config.Offline}
	o.Open = func(i config.Instance) config.Opened {
		if i.Name != "shop" {
			return config.Opened{Unsure: true, Odd: "cannot be looked at"}
		}
		return config.Opened{Wrong: []config.Wrong{{Path: "page_token", Message: "is empty"}, {Path: "page_id", Message: "is odd"}}}
	}
	_, err := config.Load(o)
	if err == nil || strings.Contains(err.Error(), "is empty") || !strings.Contains(err.Error(), ": channels.shop.config.page_id: is odd") {
		t.Errorf("got %v", err)
	}
	o.Open = func(i config.Instance) config.Opened {
		return config.Opened{Unsure: true, Odd: "cannot be looked at"}
	}
	c, err := config.Load(o)
	if err != nil || len(c.Warnings) != 2 || !strings.Contains(c.Warnings[0], "channels.shop: cannot be looked at") {
		t.Errorf("%+v, %v", c, err)
	}
	o.Open = func(i config.Instance) config.Opened { return config.Opened{Program: "is gone"} }
	if _, err = config.Load(o); err == nil || !strings.Contains(err.Error(), "channels.shop.plugin: is gone") {
		t.Errorf("got %v", err)
	}
}

func TestIsolationAndLock(t *testing.T) {
	for line, want := range map[string]string{
		"plugin: mock, isolation: none":     "",
		"plugin: mock, isolation: process":  "",
		"plugin: mock, isolation: full":     `channels.shop.isolation: "full" is no isolation`,
		"plugin: ./own, isolation: none":    "channels.shop.isolation: only a built-in plugin runs without a process of its own",
		"plugin: ./own, isolation: process": "",
	} {
		dir := shop(t, "rules: [\"rules/*.yaml\"]\nplugins: {lock: pins}\nchannels:\n  shop: {"+line+"}\n")
		if err := os.WriteFile(filepath.Join(dir, "own"), nil, 0o700); err != nil {
			t.Fatal(err)
		}
		c, err := config.Load(config.Options{File: filepath.Join(dir, "otn.yaml"), Builtins: []string{"mock"}})
		switch {
		case want == "" && (err != nil || c.Channels[0].Inside != strings.Contains(line, "none") || c.Lock != filepath.Join(dir, "pins") || c.Channels[0].Lock != c.Lock):
			t.Errorf("%s: %+v %v", line, c, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v", line, err)
		}
	}
}

// A plugin's process sees the variables that its instance names, and none of otn's own.
func TestEnv(t *testing.T) {
	for line, want := range map[string]string{
		"plugin: mock, env: [HTTPS_PROXY, no_proxy]": "HTTPS_PROXY no_proxy",
		"plugin: mock":                                      "",
		"plugin: mock, env: [A=b]":                          `channels.shop.env.0: "A=b" is no name of a variable`,
		"plugin: mock, env: [HOME, OTN_DATA]":               "channels.shop.env.1: OTN_DATA is one of otn's own variables",
		"plugin: mock, env: [PLUGIN_CLIENT_CERT]":           "env.0: PLUGIN_CLIENT_CERT is one of otn's own variables",
		"plugin: mock, isolation: none, env: [HTTPS_PROXY]": "channels.shop.env: a plugin without a process of its own",
	} {
		dir := shop(t, "rules: [\"rules/*.yaml\"]\nchannels:\n  shop: {"+line+"}\n")
		c, err := config.Load(config.Options{File: filepath.Join(dir, "otn.yaml"), Env: []string{"HTTPS_PROXY=http://proxy:1"}, Builtins: []string{"mock"}})
		if strings.Contains(want, ":") {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v", line, err)
			}
			continue
		}
		if err != nil || strings.Join(c.Channels[0].Env, " ") != want {
			t.Errorf("%s: %+v %v", line, c, err)
		}
		if warned := err == nil && len(c.Warnings) == 1 && strings.Contains(c.Warnings[0], "no_proxy is not set"); warned != (want != "") {
			t.Errorf("%s: warnings %q", line, c.Warnings)
		}
	}
}

// One instance's faults hide no other's.
func TestEveryInstanceIsTried(t *testing.T) {
	dir := shop(t, good)
	o := config.Options{File: filepath.Join(dir, "otn.yaml"), Env: []string{"PAGE_TOKEN=x"}, Builtins: builtins()}
	tried := map[string]bool{}
	o.Open = func(i config.Instance) config.Opened {
		tried[i.Name] = true
		return config.Opened{Wrong: []config.Wrong{{Message: i.Name + " is odd"}}}
	}
	_, err := config.Load(o)
	if err == nil || len(tried) < 2 {
		t.Fatalf("tried %v: %v", tried, err)
	}
	for instance := range tried {
		if !strings.Contains(err.Error(), instance+" is odd") {
			t.Errorf("nothing of %s in\n%s", instance, err)
		}
	}
}

func TestVariables(t *testing.T) {
	dir := shop(t, good)
	env := []string{"PAGE_TOKEN=x", "OTN_DATA=/a", "OTN_DATA_FILE=" + filepath.Join(dir, "other.txt")}
	if _, err := load(dir, env, nil); err == nil || !strings.Contains(err.Error(), "is set too") {
		t.Errorf("both were taken: %v", err)
	}
	c, err := load(dir, []string{"PAGE_TOKEN=x", "OTN_LISTEN__ADMN=y"}, nil)
	if err != nil || len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0], "OTN_LISTEN__ADMN") {
		t.Errorf("%v %+v", err, c)
	}
	_, err = load(dir, []string{"PAGE_TOKEN=x", "OTN_LISTEN__ADMIN=0.0.0.0:1"}, nil)
	if err == nil || !strings.HasPrefix(err.Error(), "OTN_LISTEN__ADMIN: listen.admin: ") {
		t.Errorf("got %v", err)
	}
}

func TestMissingFile(t *testing.T) {
	_, err := config.Load(config.Options{File: filepath.Join(t.TempDir(), "otn.yaml")})
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// Each file of testdata/wrong has all its faults told, each with line, column, caret and hint.
func TestFaults(t *testing.T) {
	files, err := filepath.Glob("testdata/wrong/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			dir := shop(t, string(text))
			_, err = load(dir, nil, nil)
			var faults config.Faults
			if !errors.As(err, &faults) {
				t.Fatalf("got %v, want faults", err)
			}
			golden(t, strings.TrimSuffix(file, ".yaml")+".golden", strings.ReplaceAll(err.Error(), dir+"/", "")+"\n")
		})
	}
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// Whatever stands in a file, loading it ends, and without a panic.
func FuzzLoad(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte("a: &a [*a]\n"))
	f.Add([]byte("channels: {x: {config: {<<: 1, ? y : z}}}"))
	f.Add([]byte("- 1\n---\n!!binary x"))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte) {
		file := filepath.Join(dir, "otn.yaml")
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := config.Load(config.Options{File: file, Builtins: builtins()})
		if err != nil && err.Error() == "" {
			t.Error("a fault says nothing")
		}
		if err == nil {
			c.Entries()
		}
	})
}

// A source that is polled wants a line that can be read, and no other source takes one.
func TestPollLines(t *testing.T) {
	for poll, want := range map[string]string{
		`plugin: feed, poll: "*/15 * * * *"`:    "",
		`plugin: feed, poll: "@every 10m"`:      "",
		`plugin: feed`:                          ":4:3: sources.feed: plugin feed is polled, and no line says when",
		`plugin: feed, poll: ""`:                ":4:3: sources.feed: plugin feed is polled, and no line says when",
		`plugin: feed, poll: "* * * *"`:         `:4:30: sources.feed.poll: "* * * *": 4 fields; want five`,
		`plugin: feed, poll: "@every 5s"`:       `:4:30: sources.feed.poll: "@every 5s": want @every`,
		`plugin: feed, poll: "${env:LINE}"`:     ":4:30: sources.feed.poll: no cron line",
		`plugin: shopify, poll: "*/15 * * * *"`: ":4:33: sources.feed.poll: plugin shopify is not polled",
		`plugin: mixed`:                         "",
	} {
		dir := shop(t, "rules: [\"rules/*.yaml\"]\ntimezone: America/New_York\nsources:\n  feed: {"+poll+"}\n")
		c, err := config.Load(config.Options{
			File: filepath.Join(dir, "otn.yaml"), Env: []string{"LINE=s3cret"}, Builtins: []string{"feed", "shopify", "mixed"},
			Open: func(i config.Instance) config.Opened {
				return config.Opened{Polls: i.Plugin != "shopify", Receives: i.Plugin != "feed"}
			},
		})
		switch {
		case want == "" && (err != nil || strings.Contains(poll, "poll:") != (c.Sources[0].Poll != "")):
			t.Errorf("%s: %v", poll, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret")):
			t.Errorf("%s: %v", poll, err)
		}
	}
}

// The operator's door is plain HTTP on loopback alone; a certificate is read, and what a proxy says is believed from the addresses named.
func TestDoors(t *testing.T) {
	cert, key := selfSigned(t)
	for _, c := range []struct {
		text, fault, hint string
	}{
		{`listen: {admin: "127.0.0.1:1"}`, "", ""},
		{`listen: {admin: "[::1]:1"}`, "", ""},
		{`listen: {admin: "0.0.0.0:1"}`, `"0.0.0.0:1" can be reached from other machines, and there is no TLS for it`, "tls.admin.cert"},
		{`listen: {admin: ":1"}`, `":1" can be reached from other machines`, "SSH tunnel"},
		{`listen: {admin: "otn.example:1"}`, `can be reached from other machines`, "TLS proxy"},
		{"listen: {admin: \"0.0.0.0:1\"}\ntls: {hooks: {cert: c.pem, key: k.pem}}", "can be reached from other machines", ""},
		{"listen: {admin: \"0.0.0.0:1\"}\ntrusted_proxies: [10.0.0.1]", "can be reached from other machines", ""},
		{"listen: {admin: \"0.0.0.0:1\"}\ntls: {admin: {cert: c.pem, key: k.pem}}", "", ""},
		{`tls: {admin: {cert: c.pem}}`, "tls.admin.cert: there is no key to it", "tls.admin.key"},
		{`tls: {hooks: {key: k.pem}}`, "tls.hooks.key: there is no certificate to it", "tls.hooks.cert"},
		{`tls: {hooks: {cert: other.txt, key: k.pem}}`, "tls.hooks.cert: failed to find any PEM data", "PEM"},
		{`tls: {hooks: {cert: nothing.pem, key: k.pem}}`, "tls.hooks.cert: open ", "PEM"},
		{`tls: {hook: {cert: c.pem, key: k.pem}}`, `unknown key "hook" under tls`, "hooks"},
		{`trusted_proxies: [127.0.0.1, "10.0.0.0/8", "::1"]`, "", ""},
		{`trusted_proxies: [proxy.example]`, `trusted_proxies: "proxy.example" is no address`, "10.0.0.0/8"},
	} {
		dir := shop(t, c.text+"\nrules: [\"rules/*.yaml\"]\n")
		for name, text := range map[string][]byte{"c.pem": cert, "k.pem": key} {
			if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		got, err := load(dir, nil, nil)
		if c.fault == "" {
			if err != nil || len(got.Warnings) > 0 {
				t.Errorf("%s: %v", c.text, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.fault) || !strings.Contains(err.Error(), c.hint) {
			t.Errorf("%s: %v, want %q and %q", c.text, err, c.fault, c.hint)
		}
	}
	dir := shop(t, "tls: {admin: {cert: c.pem, key: k.pem}}\ntrusted_proxies: [127.0.0.1, \"10.1.2.3/8\"]\nrules: [\"rules/*.yaml\"]\n")
	for name, mode := range map[string]os.FileMode{"c.pem": 0o644, "k.pem": 0o644} {
		if err := os.WriteFile(filepath.Join(dir, name), map[string][]byte{"c.pem": cert, "k.pem": key}[name], mode); err != nil {
			t.Fatal(err)
		}
	}
	c, err := load(dir, []string{"OTN_TLS__ADMIN__KEY=" + filepath.Join(dir, "k.pem")}, nil)
	if err != nil || !c.AdminTLS.Set() || c.HooksTLS.Set() || fmt.Sprint(c.Proxies) != "[127.0.0.1/32 10.0.0.0/8]" {
		t.Fatalf("%+v %v", c, err)
	}
	if len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0], "chmod") {
		t.Errorf("a key that everybody reads: %q", c.Warnings)
	}
}

// selfSigned makes a certificate and its key, in PEM.
func selfSigned(t *testing.T) (cert, key []byte) {
	t.Helper()
	secret, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	made := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"otn.example"}}
	der, err := x509.CreateCertificate(rand.Reader, made, made, &secret.PublicKey, secret)
	if err != nil {
		t.Fatal(err)
	}
	text, err := x509.MarshalPKCS8PrivateKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: text})
}

// What the daemon tells of itself is told in the format, from the level and to the place that are configured.
func TestLogAndTraces(t *testing.T) {
	c, err := load(shop(t, good), []string{"PAGE_TOKEN=x"}, nil)
	if err != nil || c.LogFormat != "auto" || c.LogLevel != slog.LevelInfo || c.Traces != "" {
		t.Errorf("by default %+v, %v", c, err)
	}
	dir := shop(t, good+"log: {format: json, level: warn}\ntraces: {endpoint: \"http://127.0.0.1:4318\"}\n")
	c, err = load(dir, []string{"PAGE_TOKEN=x"}, nil)
	if err != nil || c.LogFormat != "json" || c.LogLevel != slog.LevelWarn || c.Traces != "http://127.0.0.1:4318" {
		t.Errorf("got %+v, %v", c, err)
	}
	c, err = load(dir, []string{"PAGE_TOKEN=x", "OTN_LOG__LEVEL=DEBUG"}, map[string]string{"log.format": "text"})
	if err != nil || c.LogFormat != "text" || c.LogLevel != slog.LevelDebug {
		t.Errorf("with variable and flag %+v, %v", c, err)
	}
	_, err = load(shop(t, good+"log: {format: xml, level: loud}\ntraces: {endpoint: \"127.0.0.1:4318\"}\n"), []string{"PAGE_TOKEN=x"}, nil)
	for _, part := range []string{`log.format: "xml" is no format`, `log.level: "loud" is no level`, "traces.endpoint: not a web address"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("no %q in %v", part, err)
		}
	}
}
