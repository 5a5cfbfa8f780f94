// Command flags measures reads of feature flags beside a floor written by hand and
// beside the evaluation engines that others use.
//
//	go run . [-json] [-rounds 25]
//
// It prints one line a figure: work, store, what of ours was measured, the peer, our
// value with its unit, and the ratio, which is above 1 where we are better. A value is
// the median over rounds, in each of which everything runs once, one after the other, so
// that a busy machine is as busy for all; a ratio is the median of the rounds' ratios.
// Reads are counted in CPU time of the process.
//
// Each side reads the same flag: on for 40 % of the merchants among those of two
// countries who have one of two plans. The subject has four attributes and is made
// before the clock starts, as an application does once for a request; the peers get
// their own form of it ready-made too. Events and tracking are off in all of them. No
// peer is asked to be anything but the engine that it publishes:
//
//   - floor: a lookup of the flag, two lookups of attributes, one XXH64.
//   - launchdarkly: go-server-sdk-evaluation, after a lookup of the flag by key. Its SDK
//     around that adds events and a data store.
//   - growthbook: growthbook-golang, a client with features and attributes set.
//   - openfeature: the client of OpenFeature's SDK in front of our provider; the same
//     client in front of one that answers a constant shows what is ours.
//
// Changes that become visible are measured between two processes: from the return of
// the write in this one to the answer of a provider in the other. Postgres is measured
// where ADMINKIT_POSTGRES_DSN names one.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
)

func main() {
	if place := os.Getenv(readerEnv); place != "" {
		fail(reader(context.Background(), place))
		return
	}
	asJSON := flag.Bool("json", false, "print one JSON object a line")
	rounds := flag.Int("rounds", 25, "how often everything is measured")
	flag.Parse()
	if *rounds < 1 || flag.NArg() > 0 {
		fail(fmt.Errorf("usage: flags [-json] [-rounds n]"))
	}
	figures, err := measure(context.Background(), *rounds)
	fail(err)
	if !*asJSON {
		fmt.Println(machine())
	}
	for _, f := range figures {
		if *asJSON {
			fail(json.NewEncoder(os.Stdout).Encode(f))
		} else {
			fmt.Println(f)
		}
	}
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// A figure is one line of the output.
type figure struct {
	Work  string  `json:"work"`
	Store string  `json:"store"`
	Ours  string  `json:"ours"`
	Peer  string  `json:"peer"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
	// Ratio is the peer's value over ours.
	Ratio float64 `json:"ratio"`
}

func (f figure) String() string {
	return fmt.Sprintf("work=%s store=%s ours=%s peer=%s value=%.4g unit=%s ratio=%.3g", f.Work, f.Store, f.Ours, f.Peer, f.Value, f.Unit, f.Ratio)
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	if n := len(sorted); n%2 == 0 {
		return (sorted[n/2-1] + sorted[n/2]) / 2
	}
	return sorted[len(sorted)/2]
}
