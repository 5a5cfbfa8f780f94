package jobs

import (
	"context"
	"time"
)

// A Store keeps jobs, lanes, workers and what became of attempts. Applications hold
// a [Queue] and a [Worker]; only authors of backends implement this.
//
// Every method writes in the transaction of ctx, or in one of its own where ctx
// carries none. The store has no clock: times are given to it, and whether a worker
// is alive is judged by the workers themselves (see [Beat]). Times are kept to the
// microsecond.
type Store interface {
	Producer
	Consumer
	Inspector
	DeadLetters
}

// A Producer is the part of a [Store] that takes work in.
type Producer interface {
	// Enqueue stores jobs, all or none, and gives them rising ids that are never used
	// again. It makes the lanes that do not exist yet. A job whose Key another one of its
	// tenant has, or an earlier one of the list, is left out, and its lane is made all the
	// same.
	Enqueue(ctx context.Context, jobs []Job) error

	// SetLane stores how a lane is worked, and makes the lane where it does not exist. A
	// lane that is held for what the new config does not hold it for ([LaneConfig.Causes])
	// is not held any more, and its count of Resumes rises.
	SetLane(ctx context.Context, tenant, lane string, config LaneConfig) error

	// PauseLane stores whether a lane is paused, and makes the lane where it does not
	// exist. A lane that is resumed is not held any more either, and its count of Resumes
	// rises, from zero on in a lane that was there.
	PauseLane(ctx context.Context, tenant, lane string, paused bool) error
}

// A Consumer is the part of a [Store] that hands work out. It serves one process
// for all tenants, so its methods name a worker instead of a tenant.
//
// Ownership rests on one row a worker. Whoever settles something locks that row in
// shared mode for its transaction; whoever ends a worker deletes the row. So a
// settlement either commits before its worker is ended, or answers [ErrFenced].
type Consumer interface {
	// Beat enrols a worker, keeps it alive or ends it, ends others that were found
	// dead, and answers who lives. See [Beat].
	Beat(ctx context.Context, beat Beat) (Presence, error)

	// Claim gives lanes back and takes free ones that have due jobs and are neither
	// paused nor held. It answers [ErrFenced] where the worker was ended. A claim that
	// releases nothing, asks for no sync and no sweep and finds nothing to take writes
	// nothing and need not look at the worker. Where transactions overlap it may take a lane
	// whose due jobs were settled, and whose owner was ended, while it ran.
	//
	// Its cost must not grow with the lanes whose work is due ahead: a store keeps a note
	// of when a free lane is to be looked at. Where notes can be missed because
	// transactions overlap, Probe and Sweep of the claim find what they miss.
	Claim(ctx context.Context, claim Claim) (Claimed, error)

	// Fetch reads due jobs of lanes, each lane's in order of Priority, the highest first,
	// Due and ID. It writes nothing: which jobs are in work is known to the owner of the
	// lane alone.
	Fetch(ctx context.Context, now time.Time, lanes []LaneFetch) ([]Fetched, error)

	// Settle stores outcomes of jobs and records an attempt for each but [Begun], all
	// or none. An outcome whose job is gone, or is not at the attempt the outcome
	// names, changes nothing; its id is returned. It answers [ErrFenced] where the
	// worker was ended.
	Settle(ctx context.Context, worker int64, outcomes []Outcome) (missed []int64, err error)

	// Prune deletes at most limit attempts that ended before a time, oldest first, and
	// answers how many it deleted.
	Prune(ctx context.Context, before time.Time, limit int) (int, error)
}

// An Inspector is the part of a [Store] that people ask about jobs. A job that runs is
// one that waits to the store: only its worker knows that it was started.
type Inspector interface {
	// Lane returns the state of a lane at a time, or storage.ErrNotFound.
	Lane(ctx context.Context, tenant, lane string, now time.Time) (LaneStatus, error)

	// ListLanes returns at most limit lanes of a tenant with their state at a time, those
	// whose names come behind a name, in order of their names.
	ListLanes(ctx context.Context, tenant, after string, now time.Time, limit int) ([]LaneStatus, error)

	// Job returns a job, or storage.ErrNotFound.
	Job(ctx context.Context, tenant string, id int64) (Job, error)

	// Lookup returns the job with a key, or storage.ErrNotFound.
	Lookup(ctx context.Context, tenant, key string) (Job, error)

	// ListJobs returns at most limit jobs of a lane behind a position, ordered by Due
	// and ID. The zero position is the start. A kind that is not empty leaves out the
	// jobs of others.
	ListJobs(ctx context.Context, tenant string, filter Filter, after Position, limit int) ([]Job, error)

	// Cancel removes a job and records an attempt with the result [Cancelled], which was
	// started and ended at a time and has no worker, or answers storage.ErrNotFound. Where
	// the job was tried before, and its lane is held for a retry ([HeldForRetry]), the lane
	// is not held any more and its count of Resumes rises: it would wait for a job that is
	// gone.
	Cancel(ctx context.Context, tenant string, id int64, at time.Time) (Job, error)

	// Attempts returns at most limit attempts of a job, the latest first. They outlive
	// the job until they are pruned.
	Attempts(ctx context.Context, tenant string, job int64, limit int) ([]Attempt, error)
}

// DeadLetters is the part of a [Store] that keeps jobs which were given up.
type DeadLetters interface {
	// Dead returns a dead letter, or storage.ErrNotFound.
	Dead(ctx context.Context, tenant string, id int64) (DeadJob, error)

	// ListDead returns at most limit dead letters that a filter lets through behind a
	// position, ordered by Died and ID from the latest on. The zero position is the
	// start.
	ListDead(ctx context.Context, tenant string, filter Filter, after Position, limit int) ([]DeadJob, error)

	// Requeue makes a dead letter a job again, under its id, due at a time and with its
	// attempts counted from zero. It answers storage.ErrNotFound, or storage.ErrConflict
	// where a job has its key.
	Requeue(ctx context.Context, tenant string, id int64, due time.Time) (Job, error)

	// RequeueAll does the same with at most limit dead letters that a filter lets
	// through, those that died first. It leaves those whose key a job has, and may leave
	// those that another call holds at this moment.
	RequeueAll(ctx context.Context, tenant string, filter Filter, due time.Time, limit int) ([]Job, error)

	// Discard deletes dead letters for good and answers those that it deleted. Ids of
	// which there is none are passed over.
	Discard(ctx context.Context, tenant string, ids []int64) ([]DeadJob, error)
}

// A Filter chooses jobs or dead letters by where they belong. An empty field lets all
// through.
type Filter struct {
	Lane, Kind string
}

// A Beat is one sign of life of a worker.
//
// Leases need no clock that processes agree on. Each beat raises the worker's
// counter; a worker whose counter did not move for its whole lease, as measured by
// an observer that looked at it all that time, is dead, and the observer says so with
// its next beat. The worker itself counts its lease from before it sent the beat, so
// it stops starting jobs before anyone may call it dead.
type Beat struct {
	// Worker is who beats. Zero enrols a new worker under an id that was never used.
	Worker int64
	// Lease is how long the worker lives without a beat.
	Lease time.Duration
	// Dead are workers whose counter stood still for their lease. Those still at that
	// counter are ended: their lanes become free and suspect. One whose row is locked
	// by a settlement that runs may be left for a later beat.
	Dead []Peer
	// Resting tells the others that the worker wants no lanes: they share all of them.
	Resting bool
	// Leave ends the worker itself: its lanes become free, and no answer is given.
	Leave bool
}

// A Presence answers a [Beat].
type Presence struct {
	// Worker is who beat, with its counter as it is now.
	Worker Peer
	// Peers are the other workers that live.
	Peers []Peer
}

// A Peer is a worker as others see it.
type Peer struct {
	ID int64
	// Beats counts the worker's beats.
	Beats int64
	// Lease is how long the worker lives without a beat.
	Lease time.Duration
	// Resting is true where the worker said with its last beat that it wants no lanes.
	Resting bool
}

// A Claim gives lanes back and takes others.
type Claim struct {
	Worker int64
	// Release are lanes to give back. Those the worker does not own are passed over.
	Release []LaneID
	// Take is how many free lanes with jobs due at Now are taken at most. Lanes that
	// another claim holds at this moment may be passed over.
	Take int
	// Now is the time by which jobs are due.
	Now time.Time
	// Probe are lanes to take first, if they are free and have due jobs. They are looked at
	// whatever the store has noted of them.
	Probe []LaneID
	// Sweep asks for a look at lanes one by one, whatever the store has noted of them, nil
	// for none.
	Sweep *Sweep
	// Sync asks for all lanes of the worker, with their caps as they are now, and for
	// the number of lanes that workers have to share.
	Sync bool
}

// A Sweep is one piece of a walk over all lanes.
type Sweep struct {
	// After is the lane behind which to go on, in order of Tenant and Lane.
	After LaneID
	// Limit is how many lanes are looked at at most.
	Limit int
}

// Claimed answers a [Claim].
type Claimed struct {
	// Taken are the lanes that were taken.
	Taken []Lane
	// Held are the lanes that the worker owned before, answered with Sync only.
	Held []Lane
	// Active is how many lanes have an owner, or could be taken at the Now of the claim. It
	// is counted with Sync only.
	Active int
	// Swept is the last lane that a sweep looked at, zero where none is left behind it.
	Swept LaneID
}

// A Lane is a lane as its owner gets it.
type Lane struct {
	LaneID
	LaneConfig
	// Paused is true where nothing of the lane is to start.
	Paused bool
	// Resumes counts how often the lane was resumed.
	Resumes int64
	// Hold is why nothing of the lane starts before a time.
	Hold Hold
	// Suspect is true where the lane was just taken and its last owner was found dead:
	// jobs of it may have been started without anybody having counted that.
	Suspect bool
}

// A LaneFetch asks for due jobs of one lane.
type LaneFetch struct {
	LaneID
	// Levels say what to read of each priority, by [Priority.Level].
	Levels [Levels]LevelFetch
}

// A LevelFetch asks for due jobs of one lane and one priority.
type LevelFetch struct {
	// After is the position behind which to read. The zero position is the start.
	After Position
	// Limit is how many jobs are answered at most, none where it is zero.
	Limit int
}

// FromStart asks for the due jobs of a lane from its start, at most limit of each
// priority.
func FromStart(lane LaneID, limit int) LaneFetch {
	f := LaneFetch{LaneID: lane}
	for level := range f.Levels {
		f.Levels[level].Limit = limit
	}
	return f
}

// A Position is a place in an order by time and id.
type Position struct {
	At time.Time
	ID int64
}

// Fetched is a job as its lane's owner reads it. Its Attempt counts the attempts that
// were settled.
type Fetched struct {
	Job
	// Lost counts starts since then that were announced with [Begun] and never settled.
	Lost int
}

// A Result is what became of a job.
type Result string

// The results. Their texts are stored.
const (
	// Completed removes the job.
	Completed Result = "completed"
	// Retried makes the job due again, with one attempt more.
	Retried Result = "retried"
	// Buried moves the job to the dead letters.
	Buried Result = "buried"
	// Cancelled is of jobs that were removed by [Queue.Cancel]. No [Outcome] has it.
	Cancelled Result = "cancelled"
	// Begun announces a start before it happens, so that the starts of a job that ends
	// its process are counted. It records no attempt.
	Begun Result = "begun"
)

// An Outcome is what became of one job.
type Outcome struct {
	// Job is the job as it was fetched: the outcome counts only while the stored job
	// has this ID and this Attempt.
	Job Fetched
	// Result is what to do with the job.
	Result Result
	// Due is when a retried job starts again.
	Due time.Time
	// Reason says why it was retried or buried, at most [MaxReason] bytes.
	Reason string
	// Started and Ended frame the attempt.
	Started, Ended time.Time
	// Hold is what the lane is held for from now on, nil for as it is. It counts only with
	// the outcome, while the worker owns the lane, and where the lane's config holds it for
	// that ([LaneConfig.Causes]): the worker may not have heard of the config yet. Of several
	// in a batch the last counts.
	Hold *Hold
}

// An Attempt is one run of a job.
type Attempt struct {
	// Job is the id of the job.
	Job int64
	// Number counts the job's attempts from zero.
	Number int
	// Worker is the id of the worker that ran it, zero for one that records a cancelling.
	Worker int64
	// Result is Completed, Retried, Buried or Cancelled.
	Result Result
	// Reason is the text of the error, empty for none. It is for operators, not for
	// end users.
	Reason string
	// Started and Ended frame the attempt.
	Started, Ended time.Time
}
