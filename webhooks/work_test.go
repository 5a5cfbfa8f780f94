package webhooks_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/memory"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
	"github.com/lumelle/adminkit/webhooks"
	"github.com/lumelle/adminkit/webhooks/egress"
	"github.com/lumelle/adminkit/webhooks/signing"
	"github.com/lumelle/adminkit/webhooks/webhookstest"
)

// bubble runs fn inside a synctest bubble with a kit on memory. The worker polls once
// an hour: what this process enqueues wakes it exactly.
func bubble(t *testing.T, cfg kitConfig, fn func(t *testing.T, k *kit)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b, err := memory.New(memory.Config{})
		must(t, err)
		defer b.Close(context.Background())
		cfg.worker.Poll, cfg.worker.Lease = time.Hour, 24*time.Hour // few beats in long times
		k := newKit(t, b, cfg)
		must(t, k.worker.Start(t.Context()))
		defer func() {
			if err := k.worker.Close(context.Background()); err != nil {
				t.Errorf("close the worker: %v", err)
			}
		}()
		fn(t, k)
	})
}

// piped is a deliverer that talks HTTP over pipes to a handler, inside a bubble.
func piped(t *testing.T, answer func(n int, req *http.Request) string) *egress.Deliverer {
	t.Helper()
	var mu sync.Mutex
	n := 0
	d, err := egress.New(egress.Config{
		AllowHTTP: true, Resolver: public{},
		Dial: func(context.Context, string, string) (net.Conn, error) {
			client, server := net.Pipe()
			go func() {
				defer server.Close()
				req, err := http.ReadRequest(bufio.NewReader(server))
				if err != nil {
					return
				}
				io.Copy(io.Discard, req.Body)
				mu.Lock()
				n++
				text := answer(n, req)
				mu.Unlock()
				io.WriteString(server, text+"Connection: close\r\nContent-Length: 0\r\n\r\n")
			}()
			return client, nil
		},
	})
	must(t, err)
	return d
}

type public struct{}

func (public) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	return []netip.Addr{netip.MustParseAddr("1.1.1.1")}, nil
}

// quiesce lets everything happen that is due. A worker that gave its lane back takes a
// moment of the bubble's clock to claim it again.
func quiesce() {
	time.Sleep(100 * time.Millisecond)
	synctest.Wait()
}

func TestWholeScheduleIsKeptAndThenTheDeliveryFails(t *testing.T) {
	var ids, stamps, signatures []string
	d := piped(t, func(n int, req *http.Request) string {
		ids = append(ids, req.Header.Get("webhook-id"))
		stamps = append(stamps, req.Header.Get("webhook-timestamp"))
		signatures = append(signatures, req.Header.Get("webhook-signature"))
		return "HTTP/1.1 500 Internal Server Error\r\n"
	})
	bubble(t, kitConfig{deliverer: d}, func(t *testing.T, k *kit) {
		k.create(t, "http://hooks.example.com/in", "*")
		began := time.Now()
		k.refund(t, "acme", "r1")
		id := k.deliveries(t, webhooks.DeliveryQuery{})[0].ID
		synctest.Wait()
		got, attempts, err := k.service.Delivery(k.ctx, "acme", id)
		must(t, err)
		if got.Status != webhooks.Pending || len(attempts) != 1 || got.NextAttemptAt.Before(began.Add(4*time.Second)) {
			t.Fatalf("after the first attempt: %+v, %d attempts", got, len(attempts))
		}
		time.Sleep(4 * 24 * time.Hour) // the bubble's clock
		synctest.Wait()
		got, attempts, err = k.service.Delivery(k.ctx, "acme", id)
		must(t, err)
		if got.Status != webhooks.Failed || got.Reason != webhooks.ReasonExhausted || !got.NextAttemptAt.IsZero() || got.Attempts != 10 {
			t.Errorf("at the end: %+v", got)
		}
		schedule := webhooks.StandardSchedule()
		if len(attempts) != len(schedule) {
			t.Fatalf("got %d attempts, want %d", len(attempts), len(schedule))
		}
		for i, a := range attempts {
			if a.N != i+1 || a.StatusCode != 500 || a.Class != webhooks.ClassStatus || a.TraceID != got.TraceID || a.Error == "" {
				t.Errorf("attempt %d: %+v", i+1, a)
			}
			if i == 0 {
				continue
			}
			before := attempts[i-1]
			gap := a.At.Sub(before.At.Add(before.Duration))
			low, high := schedule[i]*8/10, schedule[i]*12/10
			if gap < low || gap > high+time.Millisecond {
				t.Errorf("attempt %d came %v after the one before, want %v to %v", i+1, gap, low, high)
			}
		}
		if slices.ContainsFunc(ids, func(id string) bool { return id != got.MessageID }) {
			t.Errorf("the id changed between attempts: %v", ids)
		}
		if len(slices.Compact(stamps)) != 10 || len(slices.Compact(signatures)) != 10 {
			t.Errorf("timestamps %v and signatures have to be those of each attempt", stamps)
		}
	})
}

func TestJitterSpreadsWhatFailedTogether(t *testing.T) {
	bubble(t, kitConfig{deliverer: always(failing)}, func(t *testing.T, k *kit) {
		for range 20 {
			k.create(t, "https://hooks.example.com/in", "*")
		}
		k.refund(t, "acme", "r1")
		synctest.Wait()
		due := map[time.Time]bool{}
		for _, d := range k.deliveries(t, webhooks.DeliveryQuery{}) {
			due[d.NextAttemptAt] = true
		}
		if len(due) < 15 {
			t.Errorf("20 deliveries come back at %d times", len(due))
		}
	})
}

func TestLogShowsThreeFailuresAndASuccess(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		r := webhookstest.NewReceiver(t)
		r.Reply(webhookstest.Reply{Status: 500, Body: "sorry"}, webhookstest.Reply{Status: 404}, webhookstest.Reply{Drop: true})
		k := newKit(t, b, kitConfig{service: webhooks.Config{
			Schedule: webhooks.Schedule{0, time.Millisecond, time.Millisecond, time.Millisecond},
			TraceURL: "https://traces.example.com/t/{trace_id}?tab=1",
		}})
		_, secret := k.create(t, r.URL(), "lumelle.orders.v1.*")
		k.work(t)
		e := k.refund(t, "acme", "r1")
		d := k.deliveries(t, webhooks.DeliveryQuery{TraceID: e.Trace.TraceID})[0]
		d = k.until(t, d.ID, is(webhooks.Succeeded))
		same(t, d.Attempts, 4)
		_, attempts, err := k.service.Delivery(k.ctx, "acme", d.ID)
		must(t, err)
		var got []string
		for _, a := range attempts {
			got = append(got, fmt.Sprint(a.N, " ", a.StatusCode, " ", a.Class))
			if a.At.IsZero() || a.Duration <= 0 || a.TraceID != e.Trace.TraceID || len(a.SpanID) != 16 {
				t.Errorf("attempt %+v", a)
			}
		}
		same(t, got, []string{"1 500 status", "2 404 status", "3 0 protocol", "4 204 success"})
		same(t, string(attempts[0].Response), "sorry")
		same(t, k.service.TraceLink(attempts[0].TraceID), "https://traces.example.com/t/"+e.Trace.TraceID+"?tab=1")
		m, err := k.service.Message(k.ctx, "acme", d.MessageID)
		must(t, err)
		for _, q := range r.Requests() {
			must(t, q.Verify(secret))
			same(t, string(q.Body), string(m.Body))
			same(t, q.Header.Get("webhook-id"), d.MessageID)
			if trace, ok := correlation.Parse(q.Header.Get("traceparent")); !ok || trace.TraceID != e.Trace.TraceID {
				t.Errorf("traceparent %q does not continue %s", q.Header.Get("traceparent"), e.Trace.TraceID)
			}
		}
		entries, err := k.service.Timeline(k.ctx, "acme", e.Trace.TraceID)
		must(t, err)
		var kinds []string
		for _, e := range entries {
			kinds = append(kinds, e.Kind)
		}
		same(t, kinds, []string{"delivery", "attempt", "attempt", "attempt", "attempt"})
		entries, err = k.service.Timeline(k.ctx, "bloom", e.Trace.TraceID)
		must(t, err)
		same(t, len(entries), 0)
	})
}

func TestRedeliveryKeepsTheIDAndCountsOn(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		sent := &scripted{fn: func(n int, _ webhooks.Request) webhooks.Result {
			if n <= 2 {
				return failing
			}
			return accepted
		}}
		k := newKit(t, b, kitConfig{deliverer: sent, service: webhooks.Config{Schedule: webhooks.Schedule{0, time.Millisecond}}})
		k.create(t, "https://hooks.example.com/in", "*")
		k.work(t)
		k.refund(t, "acme", "r1")
		id := k.deliveries(t, webhooks.DeliveryQuery{})[0].ID
		k.until(t, id, is(webhooks.Failed))
		d, err := k.service.Redeliver(k.ctx, "acme", id, "the receiver was fixed")
		must(t, err)
		same(t, d.Status, webhooks.Pending)
		d = k.until(t, id, is(webhooks.Succeeded))
		same(t, d.Attempts, 3)
		_, err = k.service.Redeliver(k.ctx, "acme", id, "once more")
		must(t, err)
		d = k.until(t, id, func(d webhooks.Delivery) bool { return d.Attempts == 4 })
		same(t, d.Status, webhooks.Succeeded)
		for i, r := range sent.requests() {
			if r.MessageID != d.MessageID || r.N != i+1 {
				t.Errorf("attempt %d was %d of message %s", i+1, r.N, r.MessageID)
			}
		}
		recorded := k.audited(t)
		same(t, recorded[len(recorded)-2:], []string{"webhooks.delivery.redelivered success by sam", "webhooks.delivery.redelivered success by sam"})
	})
}

func TestRedeliveryIsBounded(t *testing.T) {
	bubble(t, kitConfig{deliverer: always(accepted)}, func(t *testing.T, k *kit) {
		e, _ := k.create(t, "https://hooks.example.com/in", "*")
		k.refund(t, "acme", "r1")
		synctest.Wait()
		id := k.deliveries(t, webhooks.DeliveryQuery{})[0].ID
		_, err := k.service.Disable(k.ctx, "acme", e.ID, "")
		must(t, err)
		_, err = k.service.Redeliver(k.ctx, "acme", id, "")
		wantErr(t, err, webhooks.ErrDisabled)
		wantErr(t, err, storage.ErrConflict)
		_, err = k.service.Enable(k.ctx, "acme", e.ID)
		must(t, err)
		time.Sleep(3 * 24 * time.Hour)
		_, err = k.service.Redeliver(k.ctx, "acme", id, "")
		must(t, err)
		time.Sleep(time.Second)
		_, err = k.service.Redeliver(k.ctx, "acme", id, "")
		wantErr(t, err, webhooks.ErrTooOld)
		_, err = k.service.Redeliver(k.ctx, "acme", "none", "")
		wantErr(t, err, storage.ErrNotFound)
		must(t, k.service.Delete(k.ctx, "acme", e.ID, 0))
		k.refund(t, "acme", "r2") // nobody subscribes any more
		same(t, len(k.deliveries(t, webhooks.DeliveryQuery{})), 1)
	})
}

func TestRedeliveryOfAWaitingDeliveryMakesTheOldJobVoid(t *testing.T) {
	sent := always(failing)
	bubble(t, kitConfig{deliverer: sent}, func(t *testing.T, k *kit) {
		k.create(t, "https://hooks.example.com/in", "*")
		k.refund(t, "acme", "r1")
		synctest.Wait()
		id := k.deliveries(t, webhooks.DeliveryQuery{})[0].ID
		_, err := k.service.Redeliver(k.ctx, "acme", id, "")
		must(t, err)
		time.Sleep(4 * 24 * time.Hour)
		synctest.Wait()
		d, _, err := k.service.Delivery(k.ctx, "acme", id)
		must(t, err)
		// One attempt of the first round, ten of the second and none of a ghost.
		if d.Attempts != 11 || d.Status != webhooks.Failed {
			t.Errorf("got %+v", d)
		}
	})
}

func TestDisabledEndpointHoldsAndEnablingResumes(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		sent := &scripted{}
		release := make(chan struct{})
		sent.fn = func(n int, _ webhooks.Request) webhooks.Result {
			if n == 1 {
				<-release
				return failing
			}
			return accepted
		}
		k := newKit(t, b, kitConfig{deliverer: sent, service: webhooks.Config{Schedule: webhooks.Schedule{0, 0, 0}}})
		e, _ := k.create(t, "https://hooks.example.com/in", "*")
		k.refund(t, "acme", "r1")
		first := k.deliveries(t, webhooks.DeliveryQuery{})[0].ID
		k.work(t)
		k.waitFor(t, func() bool { return len(sent.requests()) == 1 })
		_, err := k.service.Disable(k.ctx, "acme", e.ID, "")
		must(t, err)
		close(release) // the attempt in flight fails after the endpoint was disabled
		d := k.until(t, first, func(d webhooks.Delivery) bool { return d.Held })
		if d.Status != webhooks.Pending || !d.NextAttemptAt.IsZero() || d.Attempts != 1 {
			t.Errorf("held as %+v", d)
		}
		k.refund(t, "acme", "r2")
		same(t, len(k.deliveries(t, webhooks.DeliveryQuery{})), 1)
		_, err = k.service.Enable(k.ctx, "acme", e.ID)
		must(t, err)
		d = k.until(t, first, is(webhooks.Succeeded))
		same(t, d.Attempts, 2)
	})
}

// waitFor waits until cond holds.
func (k *kit) waitFor(t *testing.T, cond func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(k.ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("it did not happen")
		}
	}
}

func TestManyHeldDeliveriesAreResumedInBatches(t *testing.T) {
	bubble(t, kitConfig{deliverer: always(accepted)}, func(t *testing.T, k *kit) {
		e, _ := k.create(t, "https://hooks.example.com/in", "*")
		must(t, k.worker.Close(k.ctx))
		for i := range 450 {
			k.refund(t, "acme", fmt.Sprint("r", i))
		}
		_, err := k.service.Disable(k.ctx, "acme", e.ID, "")
		must(t, err)
		var stopped *jobs.Worker
		stopped, k.worker = k.worker, again(t, k)
		_ = stopped
		synctest.Wait()
		for _, d := range k.deliveries(t, webhooks.DeliveryQuery{Limit: 1000}) {
			if !d.Held {
				t.Fatalf("not held: %+v", d)
			}
		}
		_, err = k.service.Enable(k.ctx, "acme", e.ID)
		must(t, err)
		synctest.Wait()
		same(t, len(k.deliveries(t, webhooks.DeliveryQuery{Limit: 1000, Status: webhooks.Succeeded})), 450)
	})
}

// again starts another worker in place of one that was closed.
func again(t *testing.T, k *kit) *jobs.Worker {
	t.Helper()
	w, err := jobs.NewWorker(k.queue, k.service.Handlers(), jobs.WorkerConfig{Poll: time.Hour})
	must(t, err)
	must(t, w.Start(t.Context()))
	return w
}

func TestDeletedEndpointCancelsWhatWaits(t *testing.T) {
	bubble(t, kitConfig{deliverer: always(failing)}, func(t *testing.T, k *kit) {
		waiting, _ := k.create(t, "https://hooks.example.com/in", "*")
		held, _ := k.create(t, "https://hooks.example.com/in", "*")
		k.refund(t, "acme", "r1")
		synctest.Wait()
		_, err := k.service.Disable(k.ctx, "acme", held.ID, "")
		must(t, err)
		time.Sleep(10 * time.Second) // the second attempt finds the endpoint disabled
		synctest.Wait()
		same(t, k.deliveries(t, webhooks.DeliveryQuery{EndpointID: held.ID})[0].Held, true)
		must(t, k.service.Delete(k.ctx, "acme", waiting.ID, 0))
		must(t, k.service.Delete(k.ctx, "acme", held.ID, 0))
		time.Sleep(time.Hour)
		synctest.Wait()
		for _, d := range k.deliveries(t, webhooks.DeliveryQuery{}) {
			if d.Status != webhooks.Cancelled || d.Reason != webhooks.ReasonDeleted || d.Held {
				t.Errorf("got %+v", d)
			}
		}
	})
}

func TestDeliveryOfAnEndpointThatIsDeletedMeanwhileIsCancelled(t *testing.T) {
	for _, c := range []struct {
		result webhooks.Result
		status string
	}{{failing, webhooks.Cancelled}, {accepted, webhooks.Succeeded}} {
		began, release := make(chan struct{}), make(chan struct{})
		sent := &scripted{fn: func(int, webhooks.Request) webhooks.Result {
			close(began)
			<-release
			return c.result
		}}
		k := newKit(t, eachtest.Memory(t), kitConfig{deliverer: sent})
		e, _ := k.create(t, "https://hooks.example.com/in", "*")
		stop := k.work(t)
		k.refund(t, "acme", "r1")
		<-began
		must(t, k.service.Delete(k.ctx, "acme", e.ID, 0))
		close(release)
		stop()
		d := k.deliveries(t, webhooks.DeliveryQuery{})[0]
		if d.Status != c.status || d.Held || d.Attempts != 1 {
			t.Errorf("after %s: got %+v", c.result.Class, d)
		}
	}
}

func TestGoneDisablesTheEndpointAndHoldsTheRest(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		r := webhookstest.NewReceiver(t)
		r.Always(webhookstest.Reply{Status: 410})
		k := newKit(t, b, kitConfig{})
		e, _ := k.create(t, r.URL(), "*")
		k.work(t)
		k.refund(t, "acme", "r1")
		d := k.deliveries(t, webhooks.DeliveryQuery{})[0]
		k.until(t, d.ID, func(d webhooks.Delivery) bool { return d.Held })
		e, err := k.service.Get(k.ctx, "acme", e.ID)
		must(t, err)
		same(t, e.Status+" "+e.DisabledReason, "disabled gone")
		recorded := k.audited(t)
		same(t, recorded[len(recorded)-1], "webhooks.endpoint.disabled success by webhooks")
		r.Always(webhookstest.Reply{})
		_, err = k.service.Enable(k.ctx, "acme", e.ID)
		must(t, err)
		k.until(t, d.ID, is(webhooks.Succeeded))
		same(t, len(r.Requests()), 2)
	})
}

func TestEndpointThatOnlyFailsIsDisabled(t *testing.T) {
	for _, c := range []struct {
		name string
		cfg  webhooks.Config
		run  func(t *testing.T, k *kit, step func())
	}{
		{"after a hundred failures in a row", webhooks.Config{Schedule: webhooks.Schedule{0}}, func(t *testing.T, k *kit, step func()) {
			for range 99 {
				step()
			}
			k.expect(t, webhooks.Enabled)
			step()
			k.expect(t, webhooks.Disabled)
		}},
		{"after five days of nothing but failures", webhooks.Config{Schedule: webhooks.Schedule{0}}, func(t *testing.T, k *kit, step func()) {
			for range 5 {
				step()
				time.Sleep(24*time.Hour - time.Minute)
			}
			step()
			k.expect(t, webhooks.Enabled)
			time.Sleep(5 * time.Minute)
			step()
			k.expect(t, webhooks.Disabled)
		}},
		{"after as many as the host says", webhooks.Config{Schedule: webhooks.Schedule{0}, DisableFailures: 3}, func(t *testing.T, k *kit, step func()) {
			step()
			step()
			k.expect(t, webhooks.Enabled)
			step()
			k.expect(t, webhooks.Disabled)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, kitConfig{deliverer: always(failing), service: c.cfg}, func(t *testing.T, k *kit) {
				k.create(t, "https://hooks.example.com/in", "*")
				n := 0
				c.run(t, k, func() {
					n++
					k.refund(t, "acme", fmt.Sprint("r", n))
					quiesce()
				})
			})
		})
	}
}

func TestOneSuccessClearsTheRecord(t *testing.T) {
	sent := &scripted{fn: func(n int, _ webhooks.Request) webhooks.Result {
		if n == 3 {
			return accepted
		}
		return failing
	}}
	bubble(t, kitConfig{deliverer: sent, service: webhooks.Config{Schedule: webhooks.Schedule{0}, DisableFailures: 3}}, func(t *testing.T, k *kit) {
		k.create(t, "https://hooks.example.com/in", "*")
		for i := range 5 {
			k.refund(t, "acme", fmt.Sprint("r", i))
			synctest.Wait()
		}
		k.expect(t, webhooks.Enabled)
		k.refund(t, "acme", "r5")
		synctest.Wait()
		k.expect(t, webhooks.Disabled)
	})
}

// expect checks the status of the only endpoint.
func (k *kit) expect(t *testing.T, status string) {
	t.Helper()
	page, err := k.service.List(k.ctx, "acme", webhooks.EndpointQuery{})
	must(t, err)
	if got := page.Items[0]; got.Status != status || (status == webhooks.Disabled) != (got.DisabledReason == webhooks.ReasonFailing) {
		t.Fatalf("the endpoint is %s (%s), want %s", got.Status, got.DisabledReason, status)
	}
}

func TestBlockedDestinationIsNotTriedAgain(t *testing.T) {
	sent := always(webhooks.Result{Outcome: webhooks.Blocked, Class: webhooks.ClassBlocked, Error: "no"})
	bubble(t, kitConfig{deliverer: sent}, func(t *testing.T, k *kit) {
		k.create(t, "https://hooks.example.com/in", "*")
		k.refund(t, "acme", "r1")
		time.Sleep(4 * 24 * time.Hour)
		synctest.Wait()
		d := k.deliveries(t, webhooks.DeliveryQuery{})[0]
		if d.Status != webhooks.Failed || d.Reason != webhooks.ReasonBlocked || d.Attempts != 1 {
			t.Errorf("got %+v", d)
		}
	})
}

func TestRetryAfterIsAFloorWithinTheHorizon(t *testing.T) {
	for _, c := range []struct {
		name     string
		result   webhooks.Result
		low, upp time.Duration
	}{
		{"nothing asked: five seconds, spread", failing, 4 * time.Second, 6 * time.Second},
		{"an hour asked: an hour", webhooks.Result{Class: webhooks.ClassStatus, RetryAfter: time.Hour}, time.Hour, time.Hour},
		{"a second asked: the schedule's", webhooks.Result{Class: webhooks.ClassStatus, RetryAfter: time.Second}, 4 * time.Second, 6 * time.Second},
		{"a year asked: what is left of the schedule", webhooks.Result{Class: webhooks.ClassStatus, RetryAfter: 365 * 24 * time.Hour}, 272105 * time.Second, 272105 * time.Second},
		{"overload: a minute at least", webhooks.Result{Class: webhooks.ClassThrottled, Throttle: true}, time.Minute, time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, kitConfig{deliverer: always(c.result)}, func(t *testing.T, k *kit) {
				k.create(t, "https://hooks.example.com/in", "*")
				began := time.Now()
				k.refund(t, "acme", "r1")
				synctest.Wait()
				d := k.deliveries(t, webhooks.DeliveryQuery{})[0]
				if wait := d.NextAttemptAt.Sub(began); wait < c.low || wait > c.upp {
					t.Errorf("the next attempt is after %v, want %v to %v", wait, c.low, c.upp)
				}
			})
		})
	}
}

func TestOverloadedReceiverIsLeftAloneByAllDeliveries(t *testing.T) {
	sent := &scripted{fn: func(n int, _ webhooks.Request) webhooks.Result {
		if n == 1 {
			return webhooks.Result{Class: webhooks.ClassThrottled, StatusCode: 429, Throttle: true, RetryAfter: 10 * time.Minute}
		}
		return accepted
	}}
	bubble(t, kitConfig{deliverer: sent}, func(t *testing.T, k *kit) {
		k.create(t, "https://hooks.example.com/in", "*")
		began := time.Now()
		k.refund(t, "acme", "r1")
		synctest.Wait()
		time.Sleep(time.Minute)
		k.refund(t, "acme", "r2")
		synctest.Wait()
		if n := len(sent.requests()); n != 1 {
			t.Fatalf("the receiver was asked %d times", n)
		}
		second := k.deliveries(t, webhooks.DeliveryQuery{})[1]
		if second.Attempts != 0 || !second.NextAttemptAt.Equal(began.Add(10*time.Minute).UTC()) {
			t.Errorf("the other delivery waits as %+v", second)
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if all := sent.requests(); len(all) != 3 || all[1].At.Before(began.Add(10*time.Minute)) {
			t.Errorf("got %d attempts, the second at %v", len(all), all[1].At)
		}
		same(t, len(k.deliveries(t, webhooks.DeliveryQuery{Status: webhooks.Succeeded})), 2)
	})
}

func TestPanicOfADelivererIsAFailedAttempt(t *testing.T) {
	sent := &scripted{fn: func(n int, _ webhooks.Request) webhooks.Result {
		if n == 1 {
			panic("SECRET")
		}
		return accepted
	}}
	bubble(t, kitConfig{deliverer: sent}, func(t *testing.T, k *kit) {
		k.create(t, "https://hooks.example.com/in", "*")
		k.refund(t, "acme", "r1")
		time.Sleep(time.Minute)
		synctest.Wait()
		d := k.deliveries(t, webhooks.DeliveryQuery{})[0]
		_, attempts, err := k.service.Delivery(k.ctx, "acme", d.ID)
		must(t, err)
		if d.Status != webhooks.Succeeded || len(attempts) != 2 || attempts[0].Class != webhooks.ClassInternal || strings.Contains(attempts[0].Error, "SECRET") {
			t.Errorf("got %+v, %+v", d, attempts)
		}
	})
}

func TestTextOfADelivererThatNoStoreTakesIsMadeFit(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		k := newKit(t, b, kitConfig{deliverer: always(webhooks.Result{
			Outcome: webhooks.Blocked, Class: "a\x00b", Error: "no\x00 \xff" + strings.Repeat("é", webhooks.MaxError),
		})})
		k.create(t, "https://example.com/hook", "*")
		k.refund(t, "acme", "r-1")
		stop := k.work(t)
		defer stop()
		d := k.until(t, k.deliveries(t, webhooks.DeliveryQuery{})[0].ID, is(webhooks.Failed))
		_, attempts, err := k.service.Delivery(t.Context(), "acme", d.ID)
		if err != nil || len(attempts) != 1 {
			t.Fatalf("got %d attempts, %v, want one", len(attempts), err)
		}
		if a := attempts[0]; a.Class != "ab" || !strings.HasPrefix(a.Error, "no \uFFFDé") || len(a.Error) > webhooks.MaxError || !utf8.ValidString(a.Error) {
			t.Errorf("got class %q and error %q", a.Class, a.Error)
		}
	})
}

func TestStoppedWorkerCountsNoFailure(t *testing.T) {
	began := make(chan struct{})
	sent := deliverFunc(func(ctx context.Context, r webhooks.Request) webhooks.Result {
		if r.N == 1 {
			select {
			case <-began:
				return accepted
			default:
			}
			close(began)
			<-ctx.Done()
		}
		return failing
	})
	b := eachtest.Memory(t)
	k := newKit(t, b, kitConfig{deliverer: sent})
	e, _ := k.create(t, "https://hooks.example.com/in", "*")
	must(t, k.worker.Start(t.Context()))
	k.refund(t, "acme", "r1")
	<-began
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := k.worker.Close(ctx); err == nil {
		t.Error("the worker says that it finished what it cut off")
	}
	d := k.deliveries(t, webhooks.DeliveryQuery{})[0]
	_, health, err := b.Webhooks().GetEndpoint(k.ctx, "acme", e.ID, false)
	must(t, err)
	if d.Attempts != 0 || d.Status != webhooks.Pending || health.Failures != 0 {
		t.Errorf("got %+v with %+v", d, health)
	}
}

type deliverFunc func(context.Context, webhooks.Request) webhooks.Result

func (f deliverFunc) Deliver(ctx context.Context, r webhooks.Request) webhooks.Result {
	return f(ctx, r)
}

func TestEverySecretThatLivesSigns(t *testing.T) {
	sent := always(accepted)
	events := 0
	bubble(t, kitConfig{deliverer: sent}, func(t *testing.T, k *kit) {
		e, first := k.create(t, "https://hooks.example.com/in", "*")
		secrets := map[string]string{"first": first}
		signs := func(names ...string) {
			t.Helper()
			events++
			k.refund(t, "acme", fmt.Sprint("r", events))
			quiesce()
			all := sent.requests()
			last := all[len(all)-1]
			header, err := signing.Sign(last.Keys, last.MessageID, last.At, last.Body)
			must(t, err)
			var got []string
			for _, name := range []string{"first", "second", "third"} {
				if secrets[name] == "" {
					continue
				}
				key, err := signing.ParseKey(secrets[name])
				must(t, err)
				if signing.Match([]signing.Key{key}, last.MessageID, fmt.Sprint(last.At.Unix()), last.Body, header) {
					got = append(got, name)
				}
			}
			if !slices.Equal(got, names) || len(last.Keys) != len(names) {
				t.Errorf("%v signed with %d keys, want %v", got, len(last.Keys), names)
			}
		}
		signs("first")
		var err error
		secrets["second"], err = k.service.RotateSecret(k.ctx, "acme", e.ID)
		must(t, err)
		signs("first", "second")
		time.Sleep(23 * time.Hour)
		secrets["third"], err = k.service.RotateSecret(k.ctx, "acme", e.ID)
		must(t, err)
		signs("first", "second", "third")
		time.Sleep(time.Hour)
		signs("second", "third")
		time.Sleep(23 * time.Hour)
		signs("third")
		for range 15 {
			_, err = k.service.RotateSecret(k.ctx, "acme", e.ID)
			must(t, err)
		}
		k.refund(t, "acme", "last")
		quiesce()
		all := sent.requests()
		same(t, len(all[len(all)-1].Keys), 11)
		_, err = k.service.RotateSecret(k.ctx, "bloom", e.ID)
		wantErr(t, err, storage.ErrNotFound)
		recorded := k.audited(t)
		if !slices.Contains(recorded, "webhooks.endpoint.secret_rotated success by sam") {
			t.Errorf("recorded %v", recorded)
		}
	})
}

func TestSpansOfAnAttempt(t *testing.T) {
	recorded := &spans{}
	sent := deliverFunc(func(ctx context.Context, r webhooks.Request) webhooks.Result {
		_, inner := recorded.Start(ctx, webhooks.SpanHTTP, r.Attributes()...)
		inner.End(nil)
		if r.N == 1 {
			return failing
		}
		return accepted
	})
	bubble(t, kitConfig{deliverer: sent, service: webhooks.Config{Tracer: recorded}}, func(t *testing.T, k *kit) {
		endpoint, _ := k.create(t, "https://hooks.example.com/in", "*")
		e := k.refund(t, "acme", "r1")
		time.Sleep(time.Minute)
		synctest.Wait()
		d := k.deliveries(t, webhooks.DeliveryQuery{})[0]
		_, attempts, err := k.service.Delivery(k.ctx, "acme", d.ID)
		must(t, err)
		recorded.mu.Lock()
		defer recorded.mu.Unlock()
		if len(recorded.all) != 4 || len(attempts) != 2 {
			t.Fatalf("got %d spans of %d attempts, want 4 of 2", len(recorded.all), len(attempts))
		}
		for i, a := range attempts {
			outer, inner := recorded.all[2*i], recorded.all[2*i+1]
			if outer.name != "delivery_attempt" || inner.name != "http_attempt" || inner.parent != outer.self.SpanID || outer.parent != e.Trace.SpanID {
				t.Errorf("attempt %d: %+v around %+v", a.N, outer, inner)
			}
			if a.SpanID != outer.self.SpanID || a.TraceID != e.Trace.TraceID || outer.self.TraceID != e.Trace.TraceID {
				t.Errorf("attempt %d is stored under %s/%s", a.N, a.TraceID, a.SpanID)
			}
			if (outer.err == nil) != (i == 1) || !outer.ended {
				t.Errorf("attempt %d ended with %v", a.N, outer.err)
			}
			for key, want := range map[string]string{
				"org_id": "acme", "app_id": "/adminkit", "endpoint_id": endpoint.ID, "delivery_id": d.ID, "msg_id": d.MessageID,
				"msg_event_id": "r1", "event_type": refunded, "attempt_count": fmt.Sprint(a.N), "status": a.Class,
				"http.response.status_code": fmt.Sprint(a.StatusCode),
			} {
				if outer.attrs[key] != want {
					t.Errorf("attempt %d, attribute %s: got %q, want %q", a.N, key, outer.attrs[key], want)
				}
			}
		}
	})
}

// spans is a Tracer that remembers.
type spans struct {
	mu  sync.Mutex
	all []*span
}

type span struct {
	name, parent string
	self         correlation.Trace
	attrs        map[string]string
	err          error
	ended        bool
}

func (s *spans) Start(ctx context.Context, name string, attrs ...slog.Attr) (context.Context, correlation.Span) {
	one := &span{name: name, parent: correlation.From(ctx).SpanID, self: correlation.From(ctx).Child(), attrs: map[string]string{}}
	one.Set(attrs...)
	s.mu.Lock()
	s.all = append(s.all, one)
	s.mu.Unlock()
	return correlation.With(ctx, one.self), one
}

func (s *span) Set(attrs ...slog.Attr) {
	for _, a := range attrs {
		s.attrs[a.Key] = a.Value.String()
	}
}

func (s *span) End(err error) { s.err, s.ended = err, true }

func TestOurOwnFailureIsRetriedForAsLongAsItTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down bool
		var mu sync.Mutex
		b, err := memory.New(memory.Config{Before: func(_ context.Context, call string) error {
			mu.Lock()
			defer mu.Unlock()
			if down && call == "webhooks.Secrets" {
				return storage.ErrUnavailable
			}
			return nil
		}})
		must(t, err)
		defer b.Close(context.Background())
		k := newKit(t, b, kitConfig{deliverer: always(accepted), worker: jobs.WorkerConfig{Poll: time.Hour, MaxAttempts: 3}})
		must(t, k.worker.Start(t.Context()))
		defer k.worker.Close(context.Background())
		k.create(t, "https://hooks.example.com/in", "*")
		set := func(v bool) { mu.Lock(); down = v; mu.Unlock() }
		set(true)
		k.refund(t, "acme", "r1")
		time.Sleep(5 * 24 * time.Hour)
		set(false)
		time.Sleep(time.Hour)
		synctest.Wait()
		d := k.deliveries(t, webhooks.DeliveryQuery{})[0]
		if d.Status != webhooks.Succeeded || d.Attempts != 1 {
			t.Errorf("got %+v", d)
		}
	})
}

func TestFaultAtEachCallOfSettlingLosesNothing(t *testing.T) {
	for _, c := range []string{
		"webhooks.GetEndpoint", "webhooks.GetDelivery", "webhooks.InsertAttempt", "webhooks.PutDelivery", "jobs.Settle", memory.CallCommit,
	} {
		t.Run(c, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				armed, fired := false, false
				b, err := memory.New(memory.Config{Before: func(_ context.Context, call string) error {
					mu.Lock()
					defer mu.Unlock()
					if armed && call == c {
						armed, fired = false, true
						return storage.ErrUnavailable
					}
					return nil
				}})
				must(t, err)
				defer b.Close(context.Background())
				sent := &scripted{fn: func(n int, _ webhooks.Request) webhooks.Result {
					if n == 1 {
						mu.Lock()
						armed = true
						mu.Unlock()
					}
					return accepted
				}}
				k := newKit(t, b, kitConfig{deliverer: sent, worker: jobs.WorkerConfig{Poll: time.Hour}})
				must(t, k.worker.Start(t.Context()))
				defer k.worker.Close(context.Background())
				k.create(t, "https://hooks.example.com/in", "*")
				k.refund(t, "acme", "r1")
				time.Sleep(time.Hour)
				synctest.Wait()
				d := k.deliveries(t, webhooks.DeliveryQuery{})[0]
				_, attempts, err := k.service.Delivery(k.ctx, "acme", d.ID)
				must(t, err)
				mu.Lock()
				defer mu.Unlock()
				// The receiver saw it twice under one id; the log knows of the one
				// attempt that was settled.
				if !fired || d.Status != webhooks.Succeeded || d.Attempts != len(attempts) || len(attempts) != 1 || len(sent.got) != 2 || sent.got[0].MessageID != sent.got[1].MessageID {
					t.Errorf("fired %t: %+v, %d attempts, %d requests", fired, d, len(attempts), len(sent.got))
				}
			})
		})
	}
}

func TestConfigIsChecked(t *testing.T) {
	b := eachtest.Memory(t)
	k := newKit(t, b, kitConfig{deliverer: always(accepted)})
	for name, cfg := range map[string]webhooks.Config{
		"a schedule that waits first":   {Schedule: webhooks.Schedule{time.Second}},
		"a schedule that goes back":     {Schedule: webhooks.Schedule{0, -1}},
		"a schedule that is too long":   {Schedule: make(webhooks.Schedule, 51)},
		"a timeout that is too long":    {Timeout: time.Minute},
		"a negative limit":              {DisableFailures: -1},
		"a link without place for it":   {TraceURL: "https://traces.example.com/"},
		"a negative time to redelivery": {RedeliverWithin: -1},
	} {
		if _, err := webhooks.New(k.governor, b.Webhooks(), k.queue, sealer{}, always(accepted), cfg); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if _, err := webhooks.New(nil, b.Webhooks(), k.queue, sealer{}, always(accepted), webhooks.Config{}); err == nil {
		t.Error("a service without a governor was made")
	}
	if _, err := webhooks.NewOutbox(b, b.Webhooks(), nil, nil, webhooks.OutboxConfig{}); err == nil {
		t.Error("an outbox without a queue was made")
	}
	empty, err := audit.NewCatalog(audit.CatalogConfig{})
	must(t, err)
	g, err := audit.NewGovernor(b, audit.Ungated, audit.Disabled, empty)
	must(t, err)
	if _, err := webhooks.New(g, b.Webhooks(), k.queue, sealer{}, always(accepted), webhooks.Config{}); err == nil || !strings.Contains(err.Error(), "Actions()") {
		t.Errorf("a catalogue without our actions: got %v", err)
	}
}

// sealer seals nothing.
type sealer struct{}

func (sealer) Seal(_ context.Context, _, _, _ string, plain []byte) ([]byte, error) {
	return plain, nil
}

func (sealer) Open(_ context.Context, _, _, _ string, sealed []byte) ([]byte, error) {
	return sealed, nil
}
