package main

import (
	"context"
	"fmt"

	"github.com/lumelle/adminkit/flags"
)

// A work is one operation, done by us and by peers.
type work struct {
	name string
	// sides are ours first, and then the peers.
	sides []side
}

// A side does the work n times.
type side struct {
	name string
	do   func(n int)
}

// repeat makes a loop of a read, and keeps its answers so that no compiler drops it.
func repeat(read func() bool) func(n int) {
	return func(n int) {
		kept := 0
		for range n {
			if read() {
				kept++
			}
		}
		if kept != 0 && kept != n {
			panic("one subject got different answers")
		}
	}
}

// repeatAll makes a loop of reading all flags.
func repeatAll(read func() int) func(n int) {
	return func(n int) {
		for range n {
			if got := read(); got != manyFlags {
				panic(fmt.Sprintf("%d flags were evaluated of %d", got, manyFlags))
			}
		}
	}
}

// measure measures everything and returns the figures.
func measure(ctx context.Context, rounds int) ([]figure, error) {
	fresh, err := provide(ctx, 1, false)
	if err != nil {
		return nil, err
	}
	single, err := reads(ctx, fresh)
	if err != nil {
		return nil, err
	}
	var all []figure
	for _, goroutines := range []int{1, 2} {
		for _, w := range single {
			all = append(all, w.measure(rounds, goroutines)...)
		}
	}
	through, err := throughOpenFeature(ctx, fresh, rounds)
	if err != nil {
		return nil, err
	}
	all = append(all, through...)
	visible, err := visibility(ctx, rounds)
	if err != nil {
		return nil, err
	}
	all = append(all, visible...)
	// Last, because reads that allocate would pay for collecting all that these keep.
	bulk, err := evaluateAll(ctx)
	if err != nil {
		return nil, err
	}
	return append(all, bulk.measure(rounds, 1)...), nil
}

// reads returns the works that read one flag.
func reads(ctx context.Context, fresh *flags.Provider) ([]work, error) {
	stale, err := provide(ctx, 1, true)
	if err != nil {
		return nil, err
	}
	client, err := flags.NewClient(fresh)
	if err != nil {
		return nil, err
	}
	staleClient, err := flags.NewClient(stale)
	if err != nil {
		return nil, err
	}
	ld, _ := launchDarkly(1)
	gb, _, err := growthBook(ctx, 1)
	if err != nil {
		return nil, err
	}
	s, key := subject(), keyOf(0)
	if d := staleClient.BoolDetails(ctx, key, false, s); d.Reason != flags.ReasonStale {
		return nil, fmt.Errorf("the reason is %s, not STALE", d.Reason)
	}
	handle := flags.NewBool(client, key, false)
	typed := side{"client", repeat(func() bool { return client.Bool(ctx, key, false, s) })}
	floor := side{"floor", repeat(byHand())}
	return []work{
		{"typed-read", []side{typed, floor, {"launchdarkly", repeat(ld)}, {"growthbook", repeat(gb)}}},
		{"typed-handle", []side{{"handle", repeat(func() bool { return handle.Get(ctx, s) })}, floor}},
		{"stale-read", []side{{"client-stale", repeat(func() bool { return staleClient.Bool(ctx, key, false, s) })}, {"client-fresh", typed.do}}},
	}, nil
}

// evaluateAll returns the work that reads many flags.
func evaluateAll(ctx context.Context) (work, error) {
	crowd, err := provide(ctx, manyFlags, false)
	if err != nil {
		return work{}, err
	}
	_, ld := launchDarkly(manyFlags)
	_, gb, err := growthBook(ctx, manyFlags)
	if err != nil {
		return work{}, err
	}
	s := subject()
	ours := func() int {
		n := 0
		_, err := crowd.EvaluateAll(ctx, s, func(_ string, e flags.Evaluation) bool {
			if e.Reason == flags.ReasonSplit {
				n++
			}
			return true
		})
		if err != nil {
			return 0
		}
		return n
	}
	return work{"evaluate-10000", []side{{"provider", repeatAll(ours)}, {"launchdarkly", repeatAll(ld)}, {"growthbook", repeatAll(gb)}}}, nil
}

// measure runs the sides in turn, round after round, and compares the first, which is
// ours, with the others. The sides of one round ran within moments of each other, so
// that their ratio holds while the machine gets slower and faster: the ratio is the
// median of the rounds'.
func (w work) measure(rounds, goroutines int) []figure {
	times, allocations := make([][]float64, len(w.sides)), make([][]float64, len(w.sides))
	for range rounds {
		for i, s := range w.sides {
			c := costOf(goroutines, s.do)
			times[i] = append(times[i], c.nanoseconds)
			allocations[i] = append(allocations[i], c.allocations)
		}
	}
	name := w.name
	if goroutines > 1 {
		name = fmt.Sprintf("%s-on-%d", w.name, goroutines)
	}
	ours := median(times[0])
	all := []figure{{name, "memory", w.sides[0].name, "none", ours, "ns/op", 1}, {name, "memory", w.sides[0].name, "none", median(allocations[0]), "allocs/op", 1}}
	for i, s := range w.sides[1:] {
		ratios := make([]float64, rounds)
		for round, theirs := range times[i+1] {
			ratios[round] = theirs / times[0][round]
		}
		ratio := median(ratios)
		all = append(all, figure{name, "memory", w.sides[0].name, s.name, median(times[i+1]), "ns/op", ratio},
			figure{name, "memory", w.sides[0].name, s.name, median(allocations[i+1]), "allocs/op", ratio})
	}
	return all
}
