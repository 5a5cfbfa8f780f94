// Package automation does by itself what a tenant has written down once: when
// something happens, under conditions, in steps.
//
//	rules, err := automation.NewCatalog(schema.Compile, automation.CatalogConfig{Actions: []automation.Action{
//		automation.HTTPPost(client), automation.PublishEvent(governor, "orders.flag"), automation.RequestApproval(ask),
//	}})
//	outbox, err := automation.NewOutbox(backend, backend.Automation(), queue, cloudevent.MarshalPublic, automation.OutboxConfig{Signals: decisions})
//	governor, err := audit.NewGovernor(backend, gate, audit.Tee(log, outbox), catalog)
//	service, err := automation.New(governor, backend.Automation(), queue, rules, automation.Config{})
//	worker, err := jobs.NewWorker(queue, service.Handlers(), jobs.WorkerConfig{})
//
// # Rules
//
// A [Rule] is data. What it does is a [Definition], a document in JSON: a trigger,
// conditions over the event, steps, and what to do when they fail. Writing one makes a
// [Version], which never changes; a run keeps the version that it began with. A rule is
// written ([Service.Create]), tried out without any effect ([Service.Test]) and turned on
// ([Service.Enable]). Each of these but the test goes through the governor.
//
// A rule belongs to an environment and fires on events of that one only; a rule of
// [Draft] cannot be turned on. It belongs to whoever wrote its current version, and its
// runs act as that person: an action that changes something through a governor may do
// what its owner may. Actions that reach out or log ask no gate.
//
// # Approval
//
// A gate may have what people do with rules and runs wait for others to agree: the answer
// is then its refusal, such as approvals.PendingError, and nothing has changed. The host
// registers [Service.Apply] with its approvals, which makes what was approved: the
// definition as it was asked for, or the version that is turned on or run again. A rule
// that moved meanwhile is storage.ErrConflict. A rule belongs to who asked for it, not to
// who approved or applied it; so nobody revises a definition that waits, and whoever
// wants another one asks anew.
//
// # From an event to a run
//
// The [Outbox] is an audit.AuditSink. When a change appends its event, the outbox looks
// up which enabled rules of the tenant listen to its type, and writes the event and a job
// for each, in the transaction of the change; an event that nobody listens to writes
// nothing. The job starts the [Run], or leaves it where the rule was turned off
// meanwhile. A run whose conditions do not hold is [Filtered] and says which one.
//
// One event starts a rule once. What rules cause carries the event as its cause; the
// eighth in a row starts a run that has failed with class [ClassLoop], and nothing more.
//
// # Audiences
//
// A condition may name an audience, {"audience": "vip"}, which then means the same to a
// rule as to a flag. [Config.Audiences] knows them. An audience asks for attributes by
// name: the event answers with the members of its data, with "tenant", and for
// "merchantId" and "environment", where its data has none, with the tenant and the
// environment of the run. A JSON pointer leads into the event, as it does in a rule.
//
// Who is a member is settled when the run starts, with the audiences as they are then,
// and noted as [Run.Audiences]: a run that waits for a week goes on by what was true of
// its event, and a rerun asks again. [Service.AudienceUsers] names the rules that use
// one, so that it is not deleted under them.
//
// # Steps
//
// A step calls an [Action], or takes one of several paths: "if" with "then" and "else",
// or "switch" with cases. Its input may refer to the event and to what earlier steps
// answered, by JSON pointer: {"$ref": "/steps/lookup/output/id"} for a value, and
// "refund of {{ /subject }}" within text, with {{ /data/note ?? "none" }} for a default.
// References are checked when the rule is written: a step refers to steps that are done
// on every path to it, or names a default. What is put in is never read as a reference
// again.
//
// The action says what it leaves behind. A [Transactional] one works in the transaction
// that also records its step, and so happens exactly once. An [External] one is called
// at least once, always under the same [Input.Key]. A process that dies in between is one
// attempt that nobody wrote down: it is made again, and no step before it is.
//
// # Waiting
//
// An action that answers with an [Await] has the run wait: for a time, or for a [Signal]
// such as the decision on a request for approval. A waiting run is a row. It holds no
// goroutine, and a job only where it ends by itself. The decision arrives as an event:
// [OutboxConfig].Signals says which events decide what, and the run goes on once their
// transaction has committed. The first decision counts. One that comes before the wait is
// kept for it, one that comes again changes nothing, and one that comes too late is on
// record as late. A declined request takes the step's on_decline route and the run ends
// after it, or fails.
//
// # Failure
//
// A failed attempt is repeated by the [RetryPolicy] of its step where its class may pass;
// the delays follow from run, step and attempt, so that they can be computed again. A
// [TimeoutPolicy] bounds attempt and step, the definition's timeout the run; the ctx of
// the action ends with them. A step that failed for good takes the run to on_failure,
// once, whose steps find at /error what went wrong. Then the run is [Failed], or
// [TimedOut].
//
// A step that kills its process is started again elsewhere, until jobs.WorkerConfig's
// MaxLost starts in a row were lost. Then it fails for good, whatever its retry policy
// says, and the run takes its on_failure route in a job of its own, or ends.
//
// # The interpreter
//
// [Decide] says what an event makes of a run: its next state and the one thing to do. It
// is pure and total, and all there is to the state machine; the Service stores what it
// decides, in one transaction with the attempt, the next job and the record of the end.
// The jobs of a rule share a lane, so that a rule with a backlog delays no other.
//
// # What can be seen
//
// [Service.Runs] and [Service.Run] show how it went, step by step with inputs, outputs,
// attempts and their logs; [Config.Redact] takes out what must not be seen.
// [Service.Timeline] shows it by trace id beside what other packages know, under the
// trace of the event and under that of whoever decided. [Service.Rerun] repeats a run
// with the same inputs. Each attempt is a span "automation.attempt" with the attributes
// named in this package's constants.
//
// # How long it is kept
//
// A [Pruner] deletes runs that ended [PrunerConfig].KeepRuns ago, the events and replaced
// versions that no run is left of, and signals that no run waits for. Without one nothing
// is ever deleted: a decision that no run asked for is a row too. A program starts one
// beside its worker; several may run, and share the work:
//
//	pruner, err := automation.NewPruner(backend.Automation(), tenants, automation.PrunerConfig{})
//	go pruner.Run(ctx)
//
// # Sub-packages
//
//   - automationadmin serves this package as JSON.
//   - automationtest holds actions, triggers and stores to their contracts.
package automation
