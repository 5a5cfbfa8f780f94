package adminkit_test

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// A program whose weight the README states. An empty source is the command itself.
var programs = []struct{ name, source, command string }{
	{"an empty program", "package main\n\nfunc main() {}\n", ""},
	{"`audit` on `storage/memory`", `package main

import (
	"context"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage/memory"
)

func main() {
	db, err := memory.New(memory.Config{})
	if err != nil {
		panic(err)
	}
	log, err := audit.NewLog(db.Audit(), audit.LogConfig{})
	if err != nil {
		panic(err)
	}
	if err := log.Append(context.Background()); err != nil {
		panic(err)
	}
}
`, ""},
	{"`examples/merchantadmin`", "", "./examples/merchantadmin"},
}

// TestTheREADMEStatesTheWeight builds the programs as a host would ship them and
// holds the table of the README to them: modules exactly, sizes to a tenth.
func TestTheREADMEStatesTheWeight(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range programs {
		megabytes, modules := weigh(t, p.source, p.command)
		row := regexp.MustCompile(`(?m)^\| ` + regexp.QuoteMeta(p.name) + ` \| ([0-9.]+) MB \| ([0-9]+) \|$`).FindSubmatch(readme)
		want := fmt.Sprintf("| %s | %.1f MB | %d |", p.name, megabytes, modules)
		if row == nil {
			t.Errorf("README.md does not state the weight of %s; the row is\n%s", p.name, want)
			continue
		}
		stated, err := strconv.ParseFloat(string(row[1]), 64)
		if err != nil {
			t.Fatal(err)
		}
		if string(row[2]) != strconv.Itoa(modules) || stated < 0.9*megabytes || stated > 1.1*megabytes {
			t.Errorf("README.md states %s; it is\n%s", row[0], want)
		}
	}
}

// weigh builds a program without debug information and returns its size in units of
// 10^6 bytes and the number of modules of others that it links.
func weigh(t *testing.T, source, command string) (megabytes float64, modules int) {
	t.Helper()
	dir := t.TempDir()
	if command == "" {
		command = filepath.Join(dir, "main.go")
		if err := os.WriteFile(command, []byte(source), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	binary := filepath.Join(dir, "program")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags=-s -w", "-o", binary, command)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	info, err := os.Stat(binary)
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "go", "version", "-m", binary).Output()
	if err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		if f := strings.Fields(lines.Text()); len(f) > 1 && f[0] == "dep" && !strings.HasPrefix(f[1]+"/", module) {
			modules++
		}
	}
	return float64(info.Size()) / 1e6, modules
}
