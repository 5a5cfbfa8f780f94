package suitetest_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"testing"

	"github.com/lumelle/adminkit/storage/storagetest/ruletest"
	"github.com/lumelle/adminkit/storage/storagetest/suitetest"
)

// The vectors of a suite are read from wherever the suites are on this machine.
func Example() {
	root, err := os.MkdirTemp("", "suites-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(root)
	if err := os.Mkdir(filepath.Join(root, "signing"), 0o700); err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "signing", "vectors.json"), []byte(`[{"id": "msg_1"}]`), 0o600); err != nil {
		log.Fatal(err)
	}
	defer os.Setenv("ADMINKIT_SUITES", os.Getenv("ADMINKIT_SUITES"))
	os.Setenv("ADMINKIT_SUITES", root)

	failures := ruletest.Try(context.Background(), func(t testing.TB) {
		dir := suitetest.Dir(t, "signing") // skips where it is absent
		fmt.Printf("%s\n", suitetest.Read(t, dir, "vectors.json"))
	})
	fmt.Println(len(failures))
	// Output:
	// [{"id": "msg_1"}]
	// 0
}
