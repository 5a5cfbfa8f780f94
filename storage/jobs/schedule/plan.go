package schedule

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/lumelle/adminkit/storage/jobs"
)

// A plan is what is stored of a schedule: the payload of its job.
type plan struct {
	Name   string
	Spec   Spec
	Job    jobs.Job
	Paused bool `json:",omitempty"`
	// Ran is the latest instant that was run or passed over. None up to it is looked at
	// again, whatever the clock says: so one that was set back runs nothing twice.
	Ran time.Time
	// Next is the first instant behind Ran, zero where there is none. It is what the rules
	// of the zone said when it was stored: it may be an instant no longer.
	Next time.Time
}

// parked is when the job of a schedule is due that waits for nothing: one that is paused or
// has come to its end.
var parked = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)

// due is when the job of the schedule is to run.
func (p *plan) due() time.Time {
	if p.Paused || p.Next.IsZero() {
		return parked
	}
	return p.Next
}

// from has the plan go on behind a time, or behind what it ran already.
func (p *plan) from(in instants, now time.Time) {
	if now = time.UnixMicro(now.UnixMicro()).UTC(); now.After(p.Ran) {
		p.Ran = now
	}
	p.advance(in)
}

func (p *plan) advance(in instants) {
	next, ok := in.next(p.Ran)
	if !ok {
		next = time.Time{}
	}
	p.Next = next
}

// run returns the instants that are to be run now, in their order, and moves the plan
// behind them. It returns none while the next one is ahead, and none before the next one:
// where the rules of the zone changed since that was stored, instants that lie between Ran
// and Next by now are passed over. Whether they are what was run already, at another time,
// or what was not, cannot be told, and nothing is to run twice.
func (p *plan) run(in instants, now time.Time) []time.Time {
	if p.Paused || p.Next.IsZero() || now.Before(p.Next) {
		return nil
	}
	latest, _ := in.prev(now)
	if latest.Before(p.Next) { // Next is no instant any more, and since then there was none
		p.Ran = p.Next
		p.advance(in)
		return nil
	}
	ticks := []time.Time{latest}
	switch p.Spec.Misfire {
	case Skip:
		if now.Sub(latest) > p.Spec.Grace {
			ticks = nil
		}
	case All:
		for len(ticks) < p.Spec.Most {
			at, ok := in.prev(ticks[len(ticks)-1].Add(-time.Microsecond))
			if !ok || at.Before(p.Next) {
				break
			}
			ticks = append(ticks, at)
		}
		slices.Reverse(ticks)
	}
	p.Ran = latest
	p.advance(in)
	return ticks
}

// job returns the job that is enqueued for an instant.
func (p *plan) job(tenant string, at time.Time) jobs.Job {
	j := p.Job
	j.Tenant, j.Due = tenant, at
	if j.Key == "" {
		j.Key = tickPrefix + p.Name + "@" + at.UTC().Format(time.RFC3339Nano)
	}
	return j
}

// link returns the job that the schedule itself is: one link of a chain, of which each
// enqueues the next.
func (p *plan) link(tenant string) (jobs.Job, error) {
	payload, err := json.Marshal(p)
	if err != nil {
		return jobs.Job{}, fmt.Errorf("schedule: %w", err)
	}
	return jobs.Job{
		Tenant: tenant, Lane: Lane, Kind: Kind, Key: keyPrefix + p.Name, Due: p.due(), Payload: payload,
	}, nil
}

// open reads the plan that a link carries.
func open(j jobs.Job) (*plan, error) {
	var p plan
	if err := json.Unmarshal(j.Payload, &p); err != nil {
		return nil, fmt.Errorf("schedule: read job %d: %w", j.ID, err)
	}
	return &p, nil
}
