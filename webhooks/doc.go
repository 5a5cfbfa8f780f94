// Package webhooks tells the systems of others what happened, once it has happened and
// as often as it takes.
//
//	outbox, err := webhooks.NewOutbox(backend, backend.Webhooks(), queue, cloudevent.MarshalPublic, webhooks.OutboxConfig{})
//	governor, err := audit.NewGovernor(backend, gate, audit.Tee(log, outbox), catalog)
//	deliverer, err := egress.New(egress.Config{})
//	service, err := webhooks.New(governor, backend.Webhooks(), queue, vault, deliverer, webhooks.Config{})
//	worker, err := jobs.NewWorker(queue, service.Handlers(), jobs.WorkerConfig{})
//
// # From a change to a receiver
//
// A tenant registers an [Endpoint]: a URL and the event types it wants, with a secret
// that is shown once ([Service.Create]). The [Outbox] is an audit.AuditSink. When a
// change appends its event, the outbox looks up, in the same transaction, who
// subscribed, and writes a [Message], one [Delivery] an endpoint and one job a
// delivery. So there is a message if and only if there is a change, and nothing is
// sent before the commit.
//
// The job makes attempts through a [Deliverer], which is package egress for HTTP. What
// came of one is written as an [Attempt] together with the delivery's new status, the
// endpoint's health and the end of the job, in one transaction. A process that dies in
// between is one attempt that nobody wrote down: it is made again, unless each such
// process dies. Then the delivery fails, with one attempt of class "lost".
//
// Delivery is therefore at least once, under a message id that never changes:
// receivers recognise what comes twice. Deliveries of one endpoint run several at a
// time and keep no order; endpoints do not delay each other.
//
// # What an event needs to become a message
//
// It succeeded, its category is Activity or Domain ([OutboxConfig] says otherwise), and
// it is not about webhooks themselves, which would feed on their own noise. Its type is
// matched against the patterns of enabled endpoints: "lumelle.orders.v1.refunded" is one
// type, "lumelle.orders.*" all below, "*" all.
//
// # The life of a delivery
//
//	pending    --accepted-->                 succeeded
//	pending    --failed, tries left-->       pending, due by the schedule
//	pending    --failed, none left-->        failed (exhausted)
//	pending    --may not be reached-->       failed (blocked)
//	pending    --kills its processes-->      failed (lost)
//	pending    --endpoint disabled or 410--> pending, held
//	held       --endpoint enabled-->         pending, due now
//	pending    --endpoint deleted-->         cancelled
//	any        --redelivered-->              pending, due now, schedule from the start
//
// The [Schedule] is that of Standard Webhooks: ten attempts over three days, spread by a
// fifth. Retry-After is a floor for the next attempt. A receiver that answers 429, 502
// or 504, or nothing at all, is left alone for at least a minute by all deliveries.
//
// # Endpoints that fail
//
// After [Config.DisableFailures] failures in a row, or [Config.DisableAfter] of nothing
// else, and at once on 410, an endpoint is disabled, on the record. What it had waiting
// is held and goes on when somebody enables it; of what happens meanwhile it gets
// nothing.
//
// # Who may do what
//
// Every change of an endpoint and every redelivery goes through the governor: its gate
// is asked, the change is recorded under one of the [Actions], and a refusal is
// recorded too. Reads are not gated; the HTTP surface webhookadmin has a hook for them.
//
// A gate may have a change wait for approval. Its payload says what was asked for, which is
// what the approval is bound to, and who asks for the same again asks for one request.
// [Service.Apply] makes what was approved, exactly as it was asked for or not at all:
//
//	apply := approvals.ApplierFunc(func(ctx context.Context, a approvals.Approved) (approvals.Result, error) {
//		return approvals.Result{}, service.Apply(ctx, a.Event)
//	})
//	err := requests.Register(webhooks.ActionCreate, apply) // and for each other that may wait
//
// An endpoint that was made so has a secret that nobody was shown: its owner rotates it.
// A rotation is never made after an approval: a gate asks for a step-up instead.
//
// # Secrets
//
// A secret is sealed by the [Sealer] before it is stored, bound to tenant and endpoint,
// and opened for an attempt only. [Service.RotateSecret] adds one; for a day the old ones
// sign too.
//
// # What can be seen
//
// [Service.Deliveries] and [Service.Delivery] show how it went, [Service.Timeline] shows
// it by trace id beside what other packages know. Each attempt is a span
// "delivery_attempt" around the deliverer's "http_attempt", with the attributes named in
// this package's constants, and stores its trace id; [Config.TraceURL] makes a link of it.
//
// # Sub-packages
//
//   - egress delivers over HTTP and guards where to.
//   - receiver verifies at the other end, signing does the arithmetic for both.
//   - webhookadmin serves this package as JSON.
//   - webhookstest has a receiver for tests and the rules for a Deliverer.
package webhooks
