// Package schedule runs jobs again and again: by cron expressions in time zones, or at
// intervals.
//
//	scheduler, err := schedule.New(queue, backend, schedule.Config{})
//	maps.Copy(handlers, scheduler.Handlers())
//	worker, err := jobs.NewWorker(queue, handlers, jobs.WorkerConfig{})
//	...
//	err = scheduler.Put(ctx, "acme", schedule.Schedule{
//		Name: "daily-report",
//		Spec: schedule.Spec{Cron: "30 6 * * MON-FRI", Zone: "Europe/Berlin"},
//		Job:  jobs.Job{Lane: "reports", Kind: "report"},
//	})
//
// A host puts its schedules at every start; where nothing differs, nothing changes. At each
// instant a job is enqueued whose Due is the instant, and the handler of its kind works it
// as any job. [Instant] tells the handler which instant it is for.
//
// # Once
//
// A schedule is a job itself, under a key made of its name, that is due at the next instant.
// When it runs it ends, enqueues what is to be run, and enqueues itself for the next
// instant, in one transaction that is fenced as every settlement is. So however many
// processes there are, and whichever of them die, the job of an instant is enqueued exactly
// once. There is no leader and no table of schedules, and a schedule that waits costs a
// row. Its name is kept by [jobs.Job.Key], so keys that begin with "schedule/" or "tick/"
// belong to this package.
//
// # Cron expressions
//
// Five fields: minute (0-59), hour (0-23), day of the month (1-31), month (1-12 or JAN-DEC)
// and day of the week (0-7 or SUN-SAT, where 0 and 7 are Sunday). A field is a list of parts
// with commas between them: * for any, a value, a range 1-5, and either of these with a step
// (*/15, 8-18/2, and 5/15 for 5-59/15). Days of the month may also be L for the last one and
// 15W for the weekday nearest to the 15th; days of the week 5L for the last Friday of the
// month and 1#2 for its second Monday. Where both fields for days are restricted, a day is
// meant that either of them means, unless the first begins with * or ?, or the second with
// "*/": then both have to. The names @hourly, @daily, @weekly, @monthly, @yearly and @annually
// are taken. Seconds, years and @reboot are not. A part that means nothing (a minute 61, a
// range 5-1) is refused.
//
// # Time zones
//
// An expression speaks of what a clock on the wall of its zone shows. One rule decides where
// clocks are changed: an instant is the first moment at which that clock shows the time or
// a later one. So
//
//   - a time that does not exist, because clocks go forward over it, runs at the moment they
//     do; several such times run there once, together with one that the clock shows then,
//   - a time that comes twice, because clocks go back, runs the first time only. An
//     expression for every five minutes is silent while the hour repeats.
//
// Intervals are absolute time and know nothing of zones: prefer them for "every five
// minutes".
//
// Zones come from the system or from ZONEINFO. This package does not embed them, which
// would add 450 KB to programs that need none: a host that runs where there are no zone
// files imports time/tzdata in its main package. A process that does not know the zone of a
// schedule refuses to put it, and leaves running it to the next try.
//
// The rules of a zone may change while a schedule waits: by an update of the zone files, or
// because another process has other ones. The schedule wakes at the instant that it waited
// for, runs it only if it is one still, and goes on with the new ones behind it. So none is
// run twice, but one that was moved to before the awaited one is passed over. Where
// processes disagree for long, others are too: give all of them the same zone files.
//
// # Misfires
//
// An instant may pass without anybody to run it: all processes were down, the store was, or
// the clock was set forward. When a process looks again, [Spec.Misfire] decides about the
// instants that are due at that moment: [Once] runs the latest, [Skip] runs the latest if it
// is not older than [Spec.Grace], [All] runs all of them, at most [Spec.Most] and then the
// latest. What is not run is passed over for good.
//
// A clock that is set back runs nothing twice: what was run, or passed over, is behind the
// schedule, and it waits until the clock is beyond it again. After a clock that was ahead by
// mistake, [Scheduler.Delete] and [Scheduler.Put] begin anew.
//
// Instants in a pause are passed over, whatever the policy. A schedule that was changed goes
// on with its new instants after now.
//
// # Upkeep
//
// An [Upkeep] is for what one process of all has to do at a time, such as deleting old
// records: a list of functions with a Spec each.
//
//	upkeep, err := schedule.NewUpkeep(scheduler, "system",
//		schedule.Chore{Name: "attempts", Run: func(ctx context.Context) error {
//			_, err := queue.Prune(ctx, queue.Now().AddDate(0, 0, -7))
//			return err
//		}},
//		schedule.Chore{Name: "idempotency", Run: pruner.Prune},
//	)
//
// With such a chore each worker's own pruning is switched off by
// [jobs.WorkerConfig.LeavePruning].
//
// # When one does not run
//
// A schedule that cannot be run, because the store is away, say, is tried again for ever. Only
// one whose process died with each of its starts is buried as any such job; the next Put
// makes it anew. The jobs that it enqueues are retried and buried as their worker is
// configured to. The logged keys are tenant, key and error.
package schedule
