// Package jobs is the work engine of the kit: what a committed row asks for is done by a
// worker, at least once, whatever dies in between. Webhook deliveries, the applying of
// approved changes and timers run on it, and a host's own work may.
//
//	queue, err := jobs.NewQueue(backend.Jobs(), jobs.Config{})
//	worker, err := jobs.NewWorker(queue, map[string]jobs.Handler{
//		"mail.receipt": sendReceipt,
//	}, jobs.WorkerConfig{})
//	err = worker.Start(ctx)
//	...
//	err = worker.Close(ctx)
//
// Services of the kit bring handlers along; a host joins their maps with its own
// (maps.Copy) and gives all of them to one worker.
//
// # Asking for work
//
// [Queue.Enqueue] writes jobs in the transaction of ctx. So the change and the work it
// causes are there together or not at all, and nobody starts on a change that was rolled
// back:
//
//	err := backend.InTx(ctx, func(ctx context.Context) error {
//		if err := orders.MarkPaid(ctx, id); err != nil {
//			return err
//		}
//		return queue.Enqueue(ctx, jobs.Job{
//			Tenant: "acme", Lane: "mail", Kind: "mail.receipt", Payload: []byte(id),
//		})
//	})
//
// A job may be due ahead. Until then it is a row; no goroutine waits for it.
//
// A job with a [Job.Key] is asked for once: while it is unfinished, others of the tenant
// under its key are dropped. So a change that asks for a report ten times a minute causes
// one. [Queue.Lookup] finds the job of a key, [Queue.Jobs] lists those of a lane, and
// [Queue.Cancel] calls one off: a handler that works it sees its ctx end with
// [ErrCancelled], and nothing that it settles afterwards counts.
//
// # Lanes
//
// A lane is what jobs queue behind: an endpoint, a rule, a destination. The due jobs of a
// lane start in order of their priority, due time and id, at most its cap at a time
// ([DefaultCap], or what [Queue.SetLane] says). Lanes take turns, one job each, so that a
// lane with a hundred thousand jobs, or one whose handlers hang, takes no more of the
// worker's slots than its cap, and delays no other. Choose lanes by what fails and slows
// down together.
//
// A [LaneConfig] limits a lane further:
//
//	err := queue.SetLane(ctx, "acme", "endpoint/7", jobs.LaneConfig{
//		Cap:     4,                 // run at a time
//		Rate:    10, Burst: 20,     // start in a second, and at once after a rest
//		Order:   jobs.FIFO,         // one after another, a retried job keeps its place
//		Breaker: jobs.Breaker{Failures: 5, Cooldown: time.Minute},
//	})
//
// Caps, order and rates are kept by the lane's owner in memory. What must outlive it, an
// open breaker and the wait of a FIFO lane for a retry, is written with the outcome that
// caused it, in the same transaction. [Queue.PauseLane] stops a lane whatever its config,
// [Queue.ResumeLane] ends a pause and everything else that holds it. [Queue.Lanes] and
// [Queue.Lane] tell an operator how lanes are worked, who owns them, what holds them and
// what waits in them.
//
// A lane is worked by one process at a time. One that is too hot for that is split into
// sub-lanes ([SubLane]), by a key whose jobs stay together.
//
// A lane whose work is due ahead costs nothing but its rows. Nobody asks it whether it has
// work: the store notes when it is to be looked at. Such a note can be missed where
// transactions overlap; then the signal that names the lane finds it, and failing that a
// sweep that goes over all lanes, every ten seconds and slowly enough to cost less than a
// thousandth of a processor.
//
// # Leases and fences
//
// A process does not claim jobs, it leases lanes. It reads the jobs of its lanes ahead
// without writing anything, keeps order and caps in memory, and writes once a job, when
// the job is settled. Several processes share the lanes there are; each gives up what is
// more than its share.
//
// A lease lives by heartbeats. When a process dies its lanes are taken over: another one
// saw its heartbeats stand still for a whole lease. No two clocks are compared for that;
// every process measures on its own. A process that was only stopped, or cut off from
// the store, notices that it beat too late and starts nothing more.
//
// Should it not notice in time, the fence stops it. Whatever it settles, it settles as
// the worker it was when it read the job, and the store has ended that worker: the answer
// is [ErrFenced], nothing is written, and a transaction that [Task.Complete] was part of
// rolls back. A new lease is a new worker with a new id.
//
// # At least once, and exactly once
//
// A job runs at least once. It runs again when its process died before the job was
// settled, or lost its lease. Make a handler's outside effects repeatable: send the same
// idempotency key with each attempt; the job's ID is one.
//
// An effect in the kit's own store happens exactly once when it shares the transaction of
// the settlement:
//
//	func apply(ctx context.Context, task *jobs.Task) error {
//		return backend.InTx(ctx, func(ctx context.Context) error {
//			if err := requests.Apply(ctx, string(task.Job.Payload)); err != nil {
//				return err
//			}
//			return task.Complete(ctx)
//		})
//	}
//
// [Task.RetryAt] and [Task.Bury] do the same for the other two endings.
//
// # Failure
//
// What a handler returns decides. Nil completes the job. [RetryAt] and [Bury] say what is
// to happen; any other error, and a panic, retries the job after [WorkerConfig.Backoff]
// until it was started [WorkerConfig.MaxAttempts] times, and then buries it. Buried jobs
// are dead letters: [Queue.DeadJobs] lists them, [Queue.Requeue] makes one a job again and
// [Queue.RequeueAll] those of a lane or a kind, [Queue.Discard] and [Queue.DiscardAll]
// delete them. A dead letter does not hold its key; it cannot come back while another job
// has it.
// Each attempt is recorded with its result, its times and the text of its error, and kept
// for [WorkerConfig.KeepAttempts].
//
// A job that kills its process cannot return anything. So in lanes taken over from a dead
// process starts are written down before they happen, and a job whose start was lost runs
// alone in its lane. After [WorkerConfig.MaxLost] lost starts it is buried, or handed to
// the handler that its kind has for this, which ends what waits for the job: see [Lost].
//
// # Waking
//
// Workers hear of a job when its transaction commits: those of the process that enqueued
// it, which also know when the jobs they heard of become due, and those of other
// processes, where the store is a [storage.Signals], as all of the kit's are. Everything
// else (hosts that commit a transaction of their own, a signal that was lost, a job that
// another process enqueued ahead of its time) is found by the poll, within
// [WorkerConfig.Poll].
//
// # What a host sees
//
// The package records nothing in the audit log, which it does not know; it reports
// through [WorkerConfig.OnEvent] and [Config.OnEvent] what a host may want to record (see
// [EventKind]), and logs what an
// operator should see with these keys: worker, job, tenant, lane, kind, attempt, reason,
// jobs, error, panic, stack. The trace a job was asked for under is carried as text; its
// handler continues it.
//
// [Worker.Stats] tells what a worker is at, for a page or a probe; [WorkerConfig.OnRun] is
// told of each run, and package jobmetrics feeds OpenTelemetry with both. [Worker.Pause]
// switches a process off without stopping it: its lanes go to the others, until
// [Worker.Resume].
//
// # Again and again
//
// Package schedule runs jobs by cron expressions and intervals, once over all processes, and
// has a seam for the upkeep that one process of all has to do.
//
// # Limits
//
// All lanes of a process share its slots: lanes that hang fill them when their caps
// add up to [WorkerConfig.Slots]. While an old owner's handlers end after a lost lease,
// they and the new owner's may exceed the lane's cap together.
//
// Authors of a store prove it with package jobstest.
package jobs
