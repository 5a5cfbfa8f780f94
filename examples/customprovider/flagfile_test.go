package customprovider

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/flags/flagstest"
)

func TestFlagFile(t *testing.T) {
	flagstest.Run(t, flagstest.Options{New: func(t testing.TB) flagstest.Harness {
		o := operator{t, filepath.Join(t.TempDir(), "flags.json"), flagstest.Definitions()}
		o.write()
		f, err := OpenFlagFile(o.path, time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(f.Close)
		h := flagstest.Harness{Provider: f, Publish: o.publish, Cut: o.cut}
		if planted(t) {
			h.Provider = helpful{f}
		}
		return h
	}})
}

// An operator keeps the file.
type operator struct {
	t     testing.TB
	path  string
	flags map[string][]flags.Flag
}

// write translates the suite's definitions into the file's own words.
func (o operator) write() {
	document := map[string]map[string]fileFlag{}
	for tenant, all := range o.flags {
		document[tenant] = map[string]fileFlag{}
		for _, f := range all {
			state := f.Environments[flagstest.Environment]
			own := fileFlag{Values: f.Variants, Serve: state.DefaultVariant, Off: !state.Enabled, OffServe: state.OffVariant}
			for _, r := range state.Rules {
				line := fileRule{Name: r.Name, Serve: r.Serve.Variant}
				if r.When != nil {
					line.Attribute = r.When.Path
					switch is := r.When.Value.Any().(type) {
					case string:
						line.Is = []string{is}
					case []any:
						for _, one := range is {
							line.Is = append(line.Is, one.(string))
						}
					}
				}
				if r.Serve.Split != nil {
					line.HalfOn, line.HalfOff = "on", "off"
				}
				own.Rules = append(own.Rules, line)
			}
			document[tenant][f.Key] = own
		}
	}
	content, err := json.Marshal(document)
	if err != nil {
		o.t.Fatal(err)
	}
	// A reader sees the old file or the new one, and never half of one.
	if err := os.WriteFile(o.path+".new", content, 0o600); err != nil {
		o.t.Fatal(err)
	}
	if err := os.Rename(o.path+".new", o.path); err != nil {
		o.t.Fatal(err)
	}
}

func (o operator) publish(_ context.Context, tenant string, f flags.Flag) error {
	for i := range o.flags[tenant] {
		if o.flags[tenant][i].Key == f.Key {
			o.flags[tenant][i] = f
		}
	}
	o.write()
	return nil
}

// cut takes the file away.
func (o operator) cut() func() {
	if err := os.Remove(o.path); err != nil {
		o.t.Fatal(err)
	}
	return o.write
}

func TestFlagFileRefusesWhatItCouldNotServe(t *testing.T) {
	for name, c := range map[string]struct{ content, want string }{
		"no JSON":                    {`{`, "unexpected EOF"},
		"a word that nobody knows":   {`{"acme":{"a":{"valeus":{}}}}`, "valeus"},
		"a variant without a value":  {`{"acme":{"a":{"values":{"on":true},"serve":"off"}}}`, `acme/a serves "off"`},
		"a rule that serves nothing": {`{"acme":{"a":{"values":{"on":true},"rules":[{"name":"r","serve":"x"}]}}}`, `acme/a serves "x"`},
		"a value that is null":       {`{"acme":{"a":{"values":{"on":null}}}}`, "the value of on is none"},
	} {
		path := filepath.Join(t.TempDir(), "flags.json")
		if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
			t.Fatal(err)
		}
		if f, err := OpenFlagFile(path, time.Second); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, %v, want an error with %q", name, f, err, c.want)
		}
	}
	if _, err := OpenFlagFile(filepath.Join(t.TempDir(), "none"), time.Second); err == nil {
		t.Error("a file that is not there was opened")
	}
	if _, err := OpenFlagFile("flags.json", 0); err == nil {
		t.Error("a file that is never read again was opened")
	}
}

// A file that somebody broke leaves the flags as they were.
func TestFlagFileKeepsWhatItKnewOverABrokenFile(t *testing.T) {
	good := set{content: []byte(`{"acme":{"a":{"values":{"on":true},"serve":"on"}}}`)}
	parsed, err := parse(good.content, 1)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "flags.json")
	f := &FlagFile{path: path}
	for _, content := range []string{`{"acme":`, `{"acme":{"a":{"serve":"on"}}}`} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		got := f.read(parsed).evaluate("a", &flags.Subject{Tenant: "acme", Key: "x"})
		if got.Variant != "on" || got.Reason != flags.ReasonStale {
			t.Errorf("over %s the flag is %+v", content, got)
		}
	}
}
