package sqlite_test

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(writerEnv); path != "" {
		fmt.Fprintln(os.Stderr, write(path)) // until it is killed, or fails
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}
