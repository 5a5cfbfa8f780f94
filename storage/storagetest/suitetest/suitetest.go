// Package suitetest finds the conformance data that others wrote.
package suitetest

import (
	"os"
	"path/filepath"
	"testing"
)

// Dir returns the folder of a suite: below the directory that the environment
// variable ADMINKIT_SUITES names, else below ../shared/suites seen from the module's
// root. Where it is absent the test is skipped in one line, and fails with
// ADMINKIT_STRICT=1.
func Dir(t testing.TB, suite string) string {
	t.Helper()
	root := os.Getenv("ADMINKIT_SUITES")
	if root == "" {
		root = filepath.Join(moduleRoot(t), "..", "shared", "suites")
	}
	dir := filepath.Join(root, suite)
	if _, err := os.Stat(dir); err != nil {
		if os.Getenv("ADMINKIT_STRICT") == "1" {
			t.Fatalf("suite %s is absent; ADMINKIT_SUITES names its place", suite)
		}
		t.Skipf("suite %s is absent; ADMINKIT_SUITES names its place", suite)
	}
	return dir
}

// Read returns a file of a suite.
func Read(t testing.TB, path ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func moduleRoot(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("the module's root is not above the working directory")
		}
		dir = parent
	}
}
