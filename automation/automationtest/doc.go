// Package automationtest holds implementations of package automation to their
// contracts: actions and triggers with [Run], stores with [RunStore].
//
//	func TestAction(t *testing.T) {
//		automationtest.Run(t, automationtest.Options{
//			Action:  func(t testing.TB) automation.Action { return sms.New(loopback(t)) },
//			Compile: schema.Compile,
//		})
//	}
//
// Every rule is a subtest named by its id, such as AC-007, and prints what it is for
// when it fails. Each rule is itself shown to find an implementation that breaks it.
//
// # Writing an Action
//
// An automation.Action does one thing for a step. When to do it, how often, and what is
// recorded is the Service's business:
//
//	func (s *SMS) Run(ctx context.Context, in automation.Input) (automation.Output, error) {
//		var with struct{ To, Text string }
//		if err := json.Unmarshal(in.With, &with); err != nil {
//			return automation.Output{}, automation.Fail(automation.ClassInvalid, "the input cannot be read", err)
//		}
//		id, err := s.gateway.Send(ctx, in.Key, with.To, with.Text) // under the key of the step
//		if errors.Is(err, ErrBusy) {
//			return automation.Output{}, automation.Fail(automation.ClassTransient, "the gateway is busy", err)
//		}
//		if err != nil {
//			return automation.Output{}, automation.Fail(automation.ClassPermanent, "the gateway refused the message", err)
//		}
//		value, err := json.Marshal(map[string]string{"id": id})
//		return automation.Output{Value: value}, err
//	}
//
// Its Describe says the rest: a name such as "sms.send", a label and a description for
// those who write rules, the effect, a JSON Schema (draft 7) of the input and of the
// output, and a sample of each. A test run shows the samples and never calls Run. A host
// lists the action in automation.CatalogConfig.Actions.
//
// The contract, with the rules of the suite:
//
//   - Describe is constant (AC-001), and complete enough for the catalogue (AC-002).
//   - Run keeps to the schema of its output, because later steps refer into it (AC-003),
//     and waits for a signal only where the descriptor says so (AC-004).
//   - It returns when its ctx ends (AC-005), and does nothing under one that has (AC-006).
//   - It leaves Input.With alone (AC-007), runs in many goroutines at once (AC-008) and
//     fails, instead of breaking, on input that its schema should have kept out (AC-009).
//   - An external action is called at least once and hands Input.Key on: the other side
//     recognises by it what comes twice (AC-010).
//   - A transactional action writes with the ctx that it is given and reaches nowhere
//     else: it happens with the record of its step, once, or not at all (AC-011, AC-012),
//     and fails in a transaction that has ended (AC-013). It acts with the rights of the
//     rule's owner, who is the actor of that ctx.
//   - An action that declares no effect has none (AC-012).
//   - An action may implement automation.InputChecker too: what could never work is then
//     refused when the rule is written, as far as its steps say it literally. It is asked
//     with the members that have no references, and refuses none that Run would take
//     (AC-014).
//
// Checklist:
//
//   - Fail with automation.Fail and the class that you know. The retry policy of the step
//     goes by it.
//   - Write messages for the owner of the rule, without addresses and secrets. The cause
//     goes into Err, for operators.
//   - Log with Input.Log what helps to understand a run.
//   - Let the schema refuse what it can. CheckInput is for what no schema says: the scheme
//     of a URL, the sign of a time span.
//   - Name what you need in Permissions, Secrets and Hosts. People review rules by them.
//   - Bound what you read from the other side: an output has at most
//     automation.MaxOutput bytes.
//   - Set Options.Effects, and Options.Tx for a transactional action: without them the
//     rules that count effects check nothing, and say so.
//   - Run the suite with -race too: what is kept or shared between calls shows there.
//
// Common mistakes:
//
//   - To repeat inside of Run. Such attempts are neither recorded nor under the policy.
//   - To make a key in Run. Every attempt is then another message.
//   - To declare an effect none that is one. People who review a rule go by it.
//   - To open a transaction with a detached ctx in a transactional action. On a backend
//     with one writer it waits for the one around it; each rule that calls the action
//     then takes 30 seconds.
//   - To read the clock where Input.Now is meant.
//   - To keep Input.With after the return.
//   - To answer success before the other side has what was sent.
//
// Reference: automation.HTTPPost, which is external, and automation.PublishEvent, which is
// transactional.
//
// # Writing a Trigger
//
// An automation.Trigger says which events start the rules that use it. For all events of
// some types automation.EventTrigger is one. Write your own where the event has to be
// looked into:
//
//	func (lowStock) Fires(event map[string]any) bool {
//		data, _ := event["data"].(map[string]any)
//		left, ok := data["left"].(json.Number)
//		n, err := left.Int64()
//		return ok && err == nil && n <= 0
//	}
//
// Its Describe names the event types that it is asked about, the JSON Schema of their
// data, and a sample that fires it. A host lists it in automation.CatalogConfig.Triggers.
//
// The contract, with the rules of the suite:
//
//   - Describe is constant (TR-001), and its sample fires (TR-002).
//   - Fires only looks at the event: it answers the same every time and to many at once
//     (TR-003), since several workers may ask about one event.
//   - It leaves the event as it is (TR-004).
//   - An event of any shape breaks nothing (TR-005). What cannot be read does not fire.
//   - It stays silent on the events of Options.Silent (TR-006). Name one on each side of
//     what it looks at.
//
// Checklist:
//
//   - Numbers are json.Number. Take them by a checked type assertion, like everything.
//   - The sample is a whole CloudEvent, one that your producer could have sent.
//   - The event types are as few as can be: each event of one is looked at.
//
// Common mistakes:
//
//   - To read a clock, a counter or a store. The answer then differs between workers.
//   - To have a threshold in the trigger that differs between rules. It belongs into
//     their conditions.
//   - To fire on the events that the actions of its rules publish.
//
// Reference: automation.EventTrigger.
//
// # Writing a Store
//
// A Store keeps rows; it decides nothing.
//
// The contract: that of every method stands in the documentation of automation.Store,
// with its order and its errors. All of them work in the transaction of ctx.
//
// Checklist:
//
//   - SaveRule and Save compare the revision or version and replace in one statement
//     (AM-003, AM-008).
//   - A conflict leaves the transaction usable (RS-025), and nothing of the write: neither
//     versions and listeners (RS-005, RS-006) nor steps and attempts (AM-010, RS-024).
//   - The rule, the environment and the event of a run are one key of three parts (RS-028).
//   - Listeners are those of enabled rules, in the environment of their current version
//     (AM-005).
//   - Lists continue behind (time, id) (AM-012), whatever became of what is there (RS-041),
//     and are filtered and sorted as automation.Rules and automation.Runs declare (RS-047,
//     RS-048). The time of a rule's creation stays (RS-016).
//   - PutSignal and Save with a WaitKey lock the key where transactions run side by
//     side (AM-016). Who waits for a key is told before who waited (RS-053, RS-054), the
//     last that started before others (RS-056).
//   - Times inside of log lines are kept as all others (RS-022).
//   - CountRules with lock keeps others from counting with lock until the transaction ends
//     (AM-021).
//
// Common mistakes:
//
//   - To read a version, compare it in the program and write without a WHERE. It loses
//     races.
//   - To let an INSERT fail on an engine where a failed statement ends the transaction.
//     Insert with ON CONFLICT DO NOTHING and count.
//   - To continue a list behind a time or an offset. Ties are then lost or come twice.
//   - To keep JSON in a type that writes it anew. It comes back byte for byte.
//
// Reference: storage/memory, and storage/sqlite and storage/postgres over one body of
// SQL.
package automationtest
