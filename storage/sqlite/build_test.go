package sqlite

import (
	"bytes"
	"log/slog"
	"os"
	"runtime/debug"
	"strings"
	"testing"
)

func TestADriverThatIsNotTheTestedPairIsNamed(t *testing.T) {
	module := func(path, version string) *debug.Module { return &debug.Module{Path: path, Version: version} }
	for name, c := range map[string]struct {
		deps []*debug.Module
		want string
	}{
		"the tested pair": {
			[]*debug.Module{module(driverModule, driverVersion), module(libcModule, libcVersion)}, ""},
		"a host's own driver and no modernc at all": {
			[]*debug.Module{module("github.com/mattn/go-sqlite3", "v1.14.0")}, ""},
		"a libc that another dependency raised": {
			[]*debug.Module{module(driverModule, driverVersion), module(libcModule, "v1.99.0")}, "modernc.org/libc v1.99.0"},
		"a driver that the host raised": {
			[]*debug.Module{module(driverModule, "v1.99.0"), module(libcModule, libcVersion)}, "modernc.org/sqlite v1.99.0"},
		"a libc that a replace directive changed": {
			[]*debug.Module{module(driverModule, driverVersion),
				{Path: libcModule, Version: libcVersion, Replace: module(libcModule, "v1.0.0")}}, "modernc.org/libc v1.0.0"},
	} {
		t.Run(name, func(t *testing.T) {
			got := mismatch(&debug.BuildInfo{Deps: c.deps})
			if c.want == "" && got != "" || !strings.Contains(got, c.want) {
				t.Errorf("mismatch = %q, want it to name %q", got, c.want)
			}
		})
	}
}

func TestTheTestedPairIsTheOneOfThisModule(t *testing.T) {
	gomod, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{driverModule + " " + driverVersion, libcModule + " " + libcVersion} {
		if !bytes.Contains(gomod, []byte("\t"+line)) {
			t.Errorf("go.mod does not say %q: test the new pair, then name it in build.go", line)
		}
	}
}

func TestTheTestedPairIsNoWarning(t *testing.T) {
	var log bytes.Buffer
	b, err := Open(t.Context(), Memory, Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close(t.Context())
	if log.Len() > 0 {
		t.Errorf("Open logged %s", &log)
	}
}
