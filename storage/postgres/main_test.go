package postgres_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// A connection that is cut off in the middle of a query is given up by a goroutine of pgx, which asks the server to
// cancel the query first. So what is left at the end gets a moment.
func TestMain(m *testing.M) {
	code := m.Run()
	for began := time.Now(); code == 0; {
		leak := goleak.Find()
		if leak == nil {
			break
		}
		if time.Since(began) > patience {
			fmt.Fprintln(os.Stderr, leak)
			code = 1
		}
	}
	os.Exit(code)
}
