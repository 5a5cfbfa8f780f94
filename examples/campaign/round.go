package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lumelle/adminkit/storage/storagetest/cluster"
)

// A proof is something that is tried in rounds.
type proof struct {
	kind, name string
	// try makes a round. Its error means that the round could not be made; what the
	// round finds is noted in it.
	try func(ctx context.Context, r *round) error
}

var proofs = []proof{
	{"faults", "sweeps", sweepFaults},
	{"kill", "sqlite", killSQLite},
	{"kill", "postgres", crashPostgres},
	{"kill", "jobs on sqlite", killJobsSQLite},
	{"kill", "jobs on postgres", killJobsPostgres},
	{"power", "cuts", cutPower},
	{"power", "full disk", fillDisk},
	{"model", "stores", compareStores},
	{"model", "histories", checkHistories},
}

// kinds returns the kinds of proofs.
func kinds() []string {
	var all []string
	for _, p := range proofs {
		if !slices.Contains(all, p.kind) {
			all = append(all, p.kind)
		}
	}
	return all
}

// A round is one line of the results.
type round struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
	Seed uint64 `json:"seed"`
	// Seconds is how long it took.
	Seconds float64 `json:"seconds"`
	// Counts are added up over rounds, but for those that end in _max.
	Counts     map[string]int64 `json:"counts"`
	Violations []string         `json:"violations,omitempty"`

	campaign *campaign
	dir      string // its own, removed at its end
	random   *rand.Rand
	mu       sync.Mutex
}

// count adds to a count. It may be called from several goroutines.
func (r *round) count(name string, n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	add(r.Counts, name, n)
}

func add(counts map[string]int64, name string, n int64) {
	if strings.HasSuffix(name, "_max") {
		counts[name] = max(counts[name], n)
	} else {
		counts[name] += n
	}
}

// violated notes that a promise was broken. It may be called from several goroutines.
func (r *round) violated(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Violations = append(r.Violations, fmt.Sprintf(format, args...))
}

// pause waits for a random time of at most d.
func (r *round) pause(ctx context.Context, d time.Duration) error {
	return wait(ctx, time.Duration(r.random.Int64N(int64(d))))
}

// wait waits for d, or until ctx ends.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// A campaign makes rounds and keeps what they share.
type campaign struct {
	file   string
	server *cluster.Cluster // started by the first who needs it
}

// postgres returns the data source name of a server that may be crashed.
func (c *campaign) postgres() (*cluster.Cluster, error) {
	if c.server == nil {
		server, err := cluster.Start(os.Getpid(), "")
		if err != nil {
			return nil, err
		}
		c.server = server
	}
	return c.server, nil
}

func (c *campaign) close() error {
	if c.server == nil {
		return nil
	}
	return c.server.Close()
}

// round makes one round of a proof, prints it and appends it to the results.
func (c *campaign) round(ctx context.Context, p proof, seed uint64) (*round, error) {
	dir, err := os.MkdirTemp("", "adminkit-campaign-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	r := &round{
		Kind: p.kind, Name: p.name, Seed: seed, Counts: map[string]int64{},
		campaign: c, dir: dir, random: rand.New(rand.NewPCG(seed, 0)),
	}
	began := time.Now()
	if err := p.try(ctx, r); err != nil {
		return nil, err
	}
	r.Seconds = time.Since(began).Seconds()
	line, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	fmt.Printf("%s\n", line)
	f, err := os.OpenFile(c.file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	if _, err := f.Write(append(line, '\n')); err != nil {
		f.Close()
		return nil, err
	}
	return r, f.Close()
}

// sum adds up all rounds of the results file.
func (c *campaign) sum(w io.Writer) error {
	f, err := os.Open(c.file)
	if errors.Is(err, os.ErrNotExist) { // no round was finished yet
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	totals := map[string]map[string]int64{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var r round
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return fmt.Errorf("%s: %w", c.file, err)
		}
		of := r.Kind + " " + r.Name
		if totals[of] == nil {
			totals[of] = map[string]int64{}
		}
		add(totals[of], "rounds", 1)
		add(totals[of], "violations", int64(len(r.Violations)))
		for name, n := range r.Counts {
			add(totals[of], name, n)
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	for _, of := range slices.Sorted(maps.Keys(totals)) {
		fmt.Fprintf(w, "total %s:", of)
		for _, name := range slices.Sorted(maps.Keys(totals[of])) {
			fmt.Fprintf(w, " %s=%d", name, totals[of][name])
		}
		fmt.Fprintln(w)
	}
	return nil
}
