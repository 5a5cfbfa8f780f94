// Command campaign runs the long proofs of the kit: it breaks what is under the stores,
// over and over, and looks whether anything that was acknowledged is gone, anything is
// half there, and anything happened twice.
//
//	go -C examples/campaign run . -for 10m -seed 1 [-only faults|kill|power|model] [-results campaign.jsonl]
//
// The kinds of proof:
//
//   - faults: every call of a change fails in each of four ways, over all domains and
//     stores. These are the sweeps of the kit's own tests.
//   - kill: SQLite processes killed, Postgres stopped at once under eight writers, and
//     four processes that share jobs on each engine killed and suspended past their lease.
//   - power: simulated power cuts under SQLite, with a control that must lose entries, and
//     disks that are full at each page count from 10 to 500.
//   - model: random operations answered alike by memory, SQLite and Postgres, which are the
//     kit's own property tests with more checks; and concurrent histories of claims,
//     fences and revisions that porcupine has to find linearizable, beside planted bugs
//     that it has to find out.
//
// Kinds take turns, a round each, until the time is over; the round that runs then is
// finished. Each round prints a line, JSON with its kind, seed, counts and violations, and
// appends it to the results file. At the end, and on an interrupt, the counts of all lines
// in that file are added up and printed. A violation names the seed of its round: -seed
// with it and -only with its kind begins with that round. What depends on the scheduler
// may need several tries even so. The exit status is 1 after a violation.
//
// Needed are strace for power, Postgres binaries for kill and model, and the go command
// for faults and model. What is missing is an error, never passed over.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/lumelle/adminkit/storage/storagetest/process"
)

func main() {
	process.Main(roles)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	violated, err := run(ctx, os.Args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "campaign:", err)
		os.Exit(1)
	case violated:
		os.Exit(1)
	}
}

// run does what the arguments say and reports whether anything was violated.
func run(ctx context.Context, args []string) (violated bool, err error) {
	set := flag.NewFlagSet("campaign", flag.ContinueOnError)
	length := set.Duration("for", time.Minute, "how long to begin new rounds")
	seed := set.Uint64("seed", uint64(time.Now().UnixNano()), "the seed of the first round; the next has the next")
	only := set.String("only", "", "one kind: "+strings.Join(kinds(), ", "))
	file := set.String("results", "campaign.jsonl", "the file to which rounds are appended")
	if err := set.Parse(args); err != nil {
		return false, err
	}
	if set.NArg() > 0 || *length < 0 {
		return false, errors.New("no arguments, and no negative time")
	}
	if *only != "" && !slices.Contains(kinds(), *only) {
		return false, fmt.Errorf("-only knows %s", strings.Join(kinds(), ", "))
	}
	c := &campaign{file: *file}
	defer func() { err = errors.Join(err, c.close()) }()
	for end, first := time.Now().Add(*length), true; first || time.Now().Before(end); first = false {
		for _, p := range proofs {
			if *only != "" && p.kind != *only || !first && time.Now().After(end) {
				continue
			}
			r, err := c.round(ctx, p, *seed)
			switch {
			case ctx.Err() != nil: // somebody has seen enough
				return violated, c.sum(os.Stdout)
			case err != nil:
				return violated, fmt.Errorf("%s, seed %d: %w", p.name, *seed, err)
			}
			violated = violated || len(r.Violations) > 0
		}
		*seed++
	}
	return violated, c.sum(os.Stdout)
}
