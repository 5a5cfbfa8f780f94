// Command jobs measures package storage/jobs beside the work engines that others use.
//
//	go run . [-json] [-rounds 3] [-jobs 20000] [-seconds 3] [-only drain,steady] [-peers river,dbos] [-stores sqlite,postgres]
//
// It prints one line a figure: work, store, what of ours was measured, the peer, the peer's
// value with its unit, and the ratio, which is above 1 where we are better. A value is the
// median over rounds, in each of which every side runs once on a database of its own, one
// after the other, so that a busy machine is as busy for all. SQLite is always measured,
// Postgres where ADMINKIT_POSTGRES_DSN names a server on which databases may be made.
//
// # Works
//
//   - drain: -jobs jobs are in the store before any worker starts. The clock runs from the
//     start of the workers until the store holds no unfinished job.
//   - steady: 32 goroutines enqueue one job a transaction for -seconds, while it is
//     worked. What counts is how many were enqueued a second.
//   - latency: 100 jobs a second, from before the enqueue to the start of the handler.
//   - cold: the same, while all workers start at once; of the first two seconds.
//
// Each runs with one process, which enqueues and works, and with three, of which two
// only work. Handlers do nothing but note the time. A job carries a text of 170 bytes.
//
// # Sides
//
//   - ours: storage/jobs as it is, 1,000 slots, 100 lanes of 32. It keeps lanes apart, fences
//     every outcome and records every attempt.
//   - river: River as its documentation has it for throughput: MaxWorkers 1,000, a
//     FetchCooldown of 5 ms, a FetchPollInterval of 50 ms, InsertManyFast before drains. It has
//     one queue, keeps its rows, and records no attempts: the strictest comparison. On SQLite
//     it has one connection, as its driver asks for, with the same settings as ours.
//   - dbos: DBOS Transact, a queue with a worker concurrency of 1,000, polled every 10 ms.
//     A workflow without steps does more than a job: it keeps its input and its output.
//     It drains a tenth of the jobs, which does not change its rate.
//
// All of them have 20 connections a process to Postgres, and WAL with synchronous=FULL on
// SQLite.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// A plan is what the flags ask for.
type plan struct {
	rounds, jobs        int
	span                time.Duration
	works, sides, store []string
}

func main() {
	if place := os.Getenv(workerEnv); place != "" {
		fail(work(context.Background(), place))
		return
	}
	asJSON := flag.Bool("json", false, "print one JSON object a line")
	rounds := flag.Int("rounds", 3, "how often everything is measured")
	jobs := flag.Int("jobs", 20_000, "how many jobs a drain has")
	seconds := flag.Float64("seconds", 3, "how long a steady load lasts")
	works := flag.String("only", "drain,steady,latency,cold", "what is measured")
	peers := flag.String("peers", "river,dbos", "who is measured beside us")
	stores := flag.String("stores", "sqlite,postgres", "on which stores")
	flag.Parse()
	if *rounds < 1 || *jobs < 100 || *seconds <= 0 || flag.NArg() > 0 {
		fail(fmt.Errorf("jobs: -rounds, -jobs (at least 100) and -seconds must be positive; see go doc"))
	}
	p := plan{
		rounds: *rounds, jobs: *jobs, span: time.Duration(*seconds * float64(time.Second)),
		works: list(*works), sides: append([]string{"ours"}, list(*peers)...), store: list(*stores),
	}
	if !*asJSON {
		fmt.Println(machine())
	}
	fail(p.measure(context.Background(), func(f figure) {
		if *asJSON {
			fail(json.NewEncoder(os.Stdout).Encode(f))
		} else {
			fmt.Println(f)
		}
	}))
}

func list(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' })
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// A figure is one line of the output.
type figure struct {
	Work      string  `json:"work"`
	Processes int     `json:"processes"`
	Store     string  `json:"store"`
	Ours      string  `json:"ours"`
	Peer      string  `json:"peer"`
	Value     float64 `json:"value"`
	Unit      string  `json:"unit"`
	// Ratio is how many times better we are than the peer, 1 for our own value.
	Ratio float64 `json:"ratio"`
	// Least and Most frame the value over the rounds.
	Least float64 `json:"least"`
	Most  float64 `json:"most"`
}

func (f figure) String() string {
	return fmt.Sprintf("work=%s processes=%d store=%s ours=%s peer=%s value=%.4g unit=%s ratio=%.3g least=%.4g most=%.4g",
		f.Work, f.Processes, f.Store, f.Ours, f.Peer, f.Value, f.Unit, f.Ratio, f.Least, f.Most)
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	if n := len(sorted); n%2 == 0 {
		return (sorted[n/2-1] + sorted[n/2]) / 2
	}
	return sorted[len(sorted)/2]
}
