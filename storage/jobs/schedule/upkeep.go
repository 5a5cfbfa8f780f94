package schedule

import (
	"context"
	"errors"
	"fmt"

	"github.com/lumelle/adminkit/storage/jobs"
)

// A Chore is upkeep that is done once at each instant, by one process of all: deleting what
// is old, expiring what was not used, sweeping.
type Chore struct {
	// Name tells chores apart, at most [MaxName] bytes.
	Name string
	// Spec says when. The zero value is every full hour.
	Spec Spec
	// Run does it. An error has it tried again by the worker's backoff. It may run again
	// after it was done, when its process dies at the wrong moment: deleting the same
	// rows again deletes none.
	Run func(ctx context.Context) error
}

// An Upkeep is the chores of a host as schedules. While a chore of one instant is at work
// those of the next are dropped.
type Upkeep struct {
	scheduler *Scheduler
	tenant    string
	chores    []Chore
}

// UpkeepLane is the lane in which chores wait.
const UpkeepLane = "upkeep"

// upkeepPrefix begins the kinds and keys of chores, and the names of their schedules.
const upkeepPrefix = "upkeep/"

// NewUpkeep makes an Upkeep. Its jobs belong to a tenant, which should be the host's own:
// what a chore does, it does for all tenants.
func NewUpkeep(scheduler *Scheduler, tenant string, chores ...Chore) (*Upkeep, error) {
	if scheduler == nil {
		return nil, errors.New("schedule: no scheduler")
	}
	names := map[string]bool{}
	u := &Upkeep{scheduler: scheduler, tenant: tenant}
	for _, c := range chores {
		switch {
		case c.Run == nil:
			return nil, fmt.Errorf("schedule: the chore %q does nothing", c.Name)
		case names[c.Name]:
			return nil, fmt.Errorf("schedule: there are two chores %q", c.Name)
		}
		names[c.Name] = true
		if c.Spec == (Spec{}) {
			c.Spec.Cron = "@hourly"
		}
		s := u.schedule(c)
		if err := check(tenant, s.Name, s.Spec.withDefaults(), s.Job); err != nil {
			return nil, fmt.Errorf("schedule: chore %q: %w", c.Name, err)
		}
		u.chores = append(u.chores, c)
	}
	return u, nil
}

func (u *Upkeep) schedule(c Chore) Schedule {
	id := upkeepPrefix + c.Name
	return Schedule{Name: id, Spec: c.Spec, Job: jobs.Job{Lane: UpkeepLane, Kind: id, Key: id}}
}

// Put stores the schedules of all chores, in the transaction of ctx or in one of its own.
// Call it at every start: where nothing differs it changes nothing. The schedule of a chore
// that there is no more is not removed; [Scheduler.Delete] does that, under the name
// "upkeep/" and the chore's.
func (u *Upkeep) Put(ctx context.Context) error {
	return u.scheduler.tx.InTx(ctx, func(ctx context.Context) error {
		for _, c := range u.chores {
			if err := u.scheduler.Put(ctx, u.tenant, u.schedule(c)); err != nil {
				return fmt.Errorf("chore %q: %w", c.Name, err)
			}
		}
		return nil
	})
}

// Handlers returns the handlers that do the chores, for [jobs.NewWorker]. They are needed
// beside those of the [Scheduler].
func (u *Upkeep) Handlers() map[string]jobs.Handler {
	handlers := make(map[string]jobs.Handler, len(u.chores))
	for _, c := range u.chores {
		handlers[upkeepPrefix+c.Name] = func(ctx context.Context, _ *jobs.Task) error { return c.Run(ctx) }
	}
	return handlers
}
