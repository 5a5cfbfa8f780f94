package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

// waiting returns the unfinished jobs of a lane of acme.
func waiting(t *testing.T, q *jobs.Queue, lane string) []jobs.Job {
	t.Helper()
	page, err := q.Jobs(t.Context(), "acme", jobs.JobQuery{Filter: jobs.Filter{Lane: lane}})
	if err != nil {
		t.Fatal(err)
	}
	return page.Items
}

func TestARunningHandlerHearsThatItsJobWasCancelled(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		for _, elsewhere := range []bool{false, true} {
			t.Run(fmt.Sprintf("cancelled through another queue %t", elsewhere), func(t *testing.T) {
				q := newQueue(t, b.Jobs())
				desk := q
				if elsewhere {
					desk = newQueue(t, b.Jobs())
				}
				started, causes, settled := make(chan int64), make(chan error, 1), make(chan error, 1)
				events := make(chan jobs.Event, 10)
				start(t, q, handlers{"test": func(ctx context.Context, task *jobs.Task) error {
					started <- task.Job.ID
					<-ctx.Done()
					causes <- context.Cause(ctx)
					err := task.Complete(context.WithoutCancel(ctx))
					settled <- err
					return err
				}}, jobs.WorkerConfig{OnEvent: func(e jobs.Event) { events <- e }})
				enqueue(t, q, job("lane"))
				id := receive(t, started, "start")
				if err := desk.Cancel(t.Context(), "acme", id); err != nil {
					t.Fatal(err)
				}
				if cause := receive(t, causes, "cause"); !errors.Is(cause, jobs.ErrCancelled) {
					t.Errorf("the ctx ended with cause %v, want ErrCancelled", cause)
				}
				if err := receive(t, settled, "settlement"); !errors.Is(err, jobs.ErrFenced) {
					t.Errorf("completing the job afterwards answered %v, want ErrFenced", err)
				}
				if e := receive(t, events, "event"); e.Kind != jobs.EventCancelled || e.Job.ID != id || e.Worker == 0 {
					t.Errorf("got event %+v, want that the run of job %d was cancelled", e, id)
				}
				if a := attemptsOf(t, q, id); len(a) != 1 || a[0].Result != jobs.Cancelled {
					t.Errorf("got attempts %+v, want the cancelling alone", a)
				}
			})
		}
	})
}

func TestAHandlerThatDoesNotHeedACancellingSettlesNothing(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		q := newQueue(t, b.Jobs())
		for _, end := range []error{nil, errors.New("failed"), jobs.Bury(nil)} {
			started, release, events := make(chan int64), make(chan struct{}), make(chan jobs.Event, 10)
			w := start(t, q, handlers{"test": func(_ context.Context, task *jobs.Task) error {
				started <- task.Job.ID
				<-release
				return end
			}}, jobs.WorkerConfig{OnEvent: func(e jobs.Event) { events <- e }})
			enqueue(t, q, job("lane"))
			id := receive(t, started, "start")
			if err := q.Cancel(t.Context(), "acme", id); err != nil {
				t.Fatal(err)
			}
			close(release)
			if e := receive(t, events, "event"); e.Kind != jobs.EventCancelled || e.Job.ID != id {
				t.Errorf("returning %v: got event %+v, want cancelled", end, e)
			}
			if _, err := q.DeadJob(t.Context(), "acme", id); !errors.Is(err, storage.ErrNotFound) || len(waiting(t, q, "lane")) != 0 {
				t.Errorf("returning %v: the job is still somewhere", end)
			}
			closeWorker(t, w)
		}
	})
}

func TestAJobThatWasReadAheadIsNotStartedAfterItsCancelling(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		q := newQueue(t, b.Jobs())
		if err := q.SetLane(t.Context(), "acme", "lane", jobs.LaneConfig{Cap: 1}); err != nil {
			t.Fatal(err)
		}
		started, release := make(chan int64, 10), make(chan struct{})
		start(t, q, handlers{"test": func(_ context.Context, task *jobs.Task) error {
			started <- task.Job.ID
			<-release
			return nil
		}}, jobs.WorkerConfig{})
		enqueue(t, q, job("lane"), job("lane"), job("lane"))
		first := receive(t, started, "start")
		list := waiting(t, q, "lane")
		if len(list) != 3 {
			t.Fatalf("%d jobs are unfinished, want 3", len(list))
		}
		if err := q.Cancel(t.Context(), "acme", list[1].ID); err != nil {
			t.Fatal(err)
		}
		close(release)
		if next := receive(t, started, "start"); first != list[0].ID || next != list[2].ID {
			t.Errorf("jobs %d and %d were started, want %d and %d", first, next, list[0].ID, list[2].ID)
		}
		eventually(t, "the lane is empty", func() bool { return len(waiting(t, q, "lane")) == 0 })
		if len(started) > 0 {
			t.Errorf("job %d was started as well", <-started)
		}
	})
}

// More are cancelled than a lane is read ahead: each has to leave its place to the next.
func TestALaneGoesOnAfterAllThatWasReadAheadIsCancelled(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		q := newQueue(t, b.Jobs())
		if err := q.SetLane(t.Context(), "acme", "lane", jobs.LaneConfig{Cap: 1}); err != nil {
			t.Fatal(err)
		}
		started, release := make(chan int64, 10), make(chan struct{})
		start(t, q, handlers{"test": func(_ context.Context, task *jobs.Task) error {
			started <- task.Job.ID
			<-release
			return nil
		}}, jobs.WorkerConfig{})
		for range 3 {
			enqueue(t, q, slices.Repeat([]jobs.Job{job("lane")}, 40)...)
			receive(t, started, "start")
			for _, j := range waiting(t, q, "lane")[1:] {
				if err := q.Cancel(t.Context(), "acme", j.ID); err != nil {
					t.Fatal(err)
				}
			}
			release <- struct{}{}
		}
		eventually(t, "the lane is empty", func() bool { return len(waiting(t, q, "lane")) == 0 })
	})
}

func TestALaneGoesOnWhenTheJobIsCancelledWhoseRetryItWaitsFor(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		for _, free := range []bool{false, true} {
			for _, elsewhere := range []bool{false, true} {
				t.Run(fmt.Sprintf("its owner gave it back %t, cancelled through another queue %t", free, elsewhere), func(t *testing.T) {
					q := newQueue(t, b.Jobs())
					desk := q
					if elsewhere {
						desk = newQueue(t, b.Jobs())
					}
					lane := fmt.Sprint(free, elsewhere)
					setLane(t, q, lane, jobs.LaneConfig{Order: jobs.FIFO})
					enqueue(t, q, job(lane), job(lane))
					head := waiting(t, q, lane)[0]
					ran := make(chan int64, 10)
					worker := func() *jobs.Worker {
						return start(t, q, handlers{"test": func(_ context.Context, task *jobs.Task) error {
							if task.Job.ID == head.ID {
								return jobs.RetryAt(time.Now().Add(10*time.Hour), errors.New("poisoned"))
							}
							ran <- task.Job.ID
							return nil
						}}, jobs.WorkerConfig{Lease: time.Hour, Poll: time.Hour})
					}
					w := worker()
					eventually(t, "the lane waits", func() bool {
						l, err := q.Lane(t.Context(), "acme", lane)
						if err != nil {
							t.Fatal(err)
						}
						return l.Hold.Reason == jobs.HeldForRetry
					})
					if free {
						closeWorker(t, w)
						w = worker()
					}
					if err := desk.Cancel(t.Context(), "acme", head.ID); err != nil {
						t.Fatal(err)
					}
					receive(t, ran, "next job")
					closeWorker(t, w)
				})
			}
		}
	})
}

func TestARolledBackCancellingIsToldToNobody(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		events := make(chan jobs.Event, 10)
		q, err := jobs.NewQueue(b.Jobs(), jobs.Config{OnEvent: func(e jobs.Event) { events <- e }})
		if err != nil {
			t.Fatal(err)
		}
		started, release := make(chan int64), make(chan struct{})
		start(t, q, handlers{"test": func(ctx context.Context, task *jobs.Task) error {
			started <- task.Job.ID
			<-release
			return ctx.Err()
		}}, jobs.WorkerConfig{})
		enqueue(t, q, job("lane"))
		id := receive(t, started, "start")
		errUndo := errors.New("undo")
		err = b.InTx(t.Context(), func(ctx context.Context) error {
			if err := q.Cancel(ctx, "acme", id); err != nil {
				return err
			}
			return errUndo
		})
		if !errors.Is(err, errUndo) {
			t.Fatal(err)
		}
		close(release)
		eventually(t, "the job is completed", func() bool { return len(waiting(t, q, "lane")) == 0 })
		if a := attemptsOf(t, q, id); len(a) != 1 || a[0].Result != jobs.Completed {
			t.Errorf("got attempts %+v, want the completed one", a)
		}
		if len(events) > 0 {
			t.Errorf("got event %+v", <-events)
		}
	})
}

func TestWorkAskedForTwiceUnderAKeyIsDoneOnce(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		q := newQueue(t, b.Jobs())
		keyed := job("lane")
		keyed.Key = "report-2026"
		for range 3 {
			enqueue(t, q, keyed, keyed)
		}
		held, err := q.Lookup(t.Context(), "acme", "report-2026")
		if err != nil || len(waiting(t, q, "lane")) != 1 {
			t.Fatalf("got %d jobs and %v, want one with the key", len(waiting(t, q, "lane")), err)
		}
		ran := make(chan jobs.Job, 10)
		start(t, q, handlers{"test": func(_ context.Context, task *jobs.Task) error {
			ran <- task.Job
			return nil
		}}, jobs.WorkerConfig{})
		if j := receive(t, ran, "job"); j.ID != held.ID || j.Key != "report-2026" {
			t.Errorf("got %+v, want job %d with its key", j, held.ID)
		}
		eventually(t, "the key is free", func() bool {
			_, err := q.Lookup(t.Context(), "acme", "report-2026")
			return errors.Is(err, storage.ErrNotFound)
		})
		enqueue(t, q, keyed)
		if j := receive(t, ran, "next job"); j.ID <= held.ID {
			t.Errorf("got job %d after %d", j.ID, held.ID)
		}
	})
}

func TestDeadLettersAreRequeuedAndDiscardedInBulk(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		told := make(chan jobs.Event, 100)
		q, err := jobs.NewQueue(b.Jobs(), jobs.Config{OnEvent: func(e jobs.Event) { told <- e }})
		if err != nil {
			t.Fatal(err)
		}
		mended := make(chan struct{})
		buried, done := make(chan jobs.Event, 100), make(chan int64, 100)
		start(t, q, handlers{"test": func(_ context.Context, task *jobs.Task) error {
			select {
			case <-mended:
				done <- task.Job.ID
				return nil
			default:
				return jobs.Bury(errors.New("broken"))
			}
		}}, jobs.WorkerConfig{OnEvent: func(e jobs.Event) { buried <- e }})
		for range 3 {
			enqueue(t, q, job("x"), job("y"))
		}
		for range 6 {
			if e := receive(t, buried, "burial"); e.Kind != jobs.EventBuried {
				t.Fatalf("got event %+v, want a burial", e)
			}
		}
		close(mended)
		if n, err := q.RequeueAll(t.Context(), "acme", jobs.Filter{Lane: "x"}, 2); n != 2 || err != nil {
			t.Errorf("requeued %d and %v, want 2", n, err)
		}
		if n, err := q.RequeueAll(t.Context(), "acme", jobs.Filter{Lane: "x"}, 0); n != 1 || err != nil {
			t.Errorf("requeued %d and %v, want the last", n, err)
		}
		for range 3 {
			receive(t, done, "job")
		}
		if n, err := q.DiscardAll(t.Context(), "acme", jobs.Filter{}, 2); n != 2 || err != nil {
			t.Errorf("discarded %d and %v, want 2", n, err)
		}
		page, err := q.DeadJobs(t.Context(), "acme", jobs.DeadQuery{})
		if err != nil || len(page.Items) != 1 {
			t.Fatalf("got %d dead letters and %v, want 1", len(page.Items), err)
		}
		if err := q.Discard(t.Context(), "acme", page.Items[0].ID); err != nil {
			t.Error(err)
		}
		if err := q.Discard(t.Context(), "acme", page.Items[0].ID); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("discarding again answered %v, want ErrNotFound", err)
		}
		var kinds []jobs.EventKind
		for range 6 {
			kinds = append(kinds, receive(t, told, "event").Kind)
		}
		r, d := jobs.EventRequeued, jobs.EventDiscarded
		if want := []jobs.EventKind{r, r, r, d, d, d}; !slices.Equal(kinds, want) {
			t.Errorf("got events %v, want %v", kinds, want)
		}
	})
}

func TestJobsAreListedInPages(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		q := newQueue(t, b.Jobs())
		for range 7 {
			enqueue(t, q, job("lane"), job("other"))
		}
		query := jobs.JobQuery{Filter: jobs.Filter{Lane: "lane"}, Limit: 3}
		var sizes []int
		for {
			page, err := q.Jobs(t.Context(), "acme", query)
			if err != nil {
				t.Fatal(err)
			}
			sizes = append(sizes, len(page.Items))
			if query.After = page.Next; page.Next == "" {
				break
			}
		}
		if !slices.Equal(sizes, []int{3, 3, 1}) {
			t.Errorf("got pages of %v, want 3, 3 and 1", sizes)
		}
		page, err := q.Jobs(t.Context(), "acme", jobs.JobQuery{Filter: jobs.Filter{Lane: "lane"}, Limit: 3})
		if err != nil {
			t.Fatal(err)
		}
		for _, bad := range []jobs.JobQuery{
			{},
			{Filter: jobs.Filter{Lane: "lane"}, Limit: -1},
			{Filter: jobs.Filter{Lane: "other"}, After: page.Next},
			{Filter: jobs.Filter{Lane: "lane", Kind: "test"}, After: page.Next},
		} {
			if _, err := q.Jobs(t.Context(), "acme", bad); !errors.Is(err, storage.ErrInvalid) && !errors.Is(err, storage.ErrBadCursor) {
				t.Errorf("%+v: got %v, want a refusal", bad, err)
			}
		}
	})
}

// Two transactions that ask for the same work at once leave it asked for once, and asked for
// by the one that commits.
func TestAKeyIsOneTransactionsAtATime(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		for _, commits := range []bool{true, false} {
			t.Run(fmt.Sprintf("the first commits %t", commits), func(t *testing.T) {
				q := newQueue(t, b.Jobs())
				lane := fmt.Sprint("lane", commits)
				keyed := func(payload string) jobs.Job {
					j := job(lane)
					j.Key, j.Payload = lane, []byte(payload)
					return j
				}
				errUndo := errors.New("undo")
				asked, second := make(chan struct{}), make(chan error, 1)
				go func() {
					<-asked
					second <- q.Enqueue(t.Context(), keyed("second"))
				}()
				err := b.InTx(t.Context(), func(ctx context.Context) error {
					if err := q.Enqueue(ctx, keyed("first")); err != nil {
						return err
					}
					close(asked)
					<-time.After(50 * time.Millisecond) // for the second to get as far as it can
					if !commits {
						return errUndo
					}
					return nil
				})
				if commits == errors.Is(err, errUndo) {
					t.Fatalf("the first transaction answered %v", err)
				}
				if err := receive(t, second, "answer"); err != nil {
					t.Fatal(err)
				}
				want := map[bool]string{true: "first", false: "second"}[commits]
				if list := waiting(t, q, lane); len(list) != 1 || string(list[0].Payload) != want {
					t.Errorf("got %+v, want the %s one", list, want)
				}
			})
		}
	})
}
