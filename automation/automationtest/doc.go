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
// recorded is the Service's business. The contract in short, with the rules of the suite:
//
//   - Describe is constant (AC-001), and complete: an effect, schemas of input and output,
//     a sample of each (AC-002). A test run never calls the action, it shows the sample.
//   - Run keeps to the schema of its output (AC-003), because later steps refer into it,
//     and answers with a wait for a signal only where the descriptor says so (AC-004).
//   - Run returns when its ctx ends (AC-005), and does nothing under one that has (AC-006).
//   - It leaves Input.With alone (AC-007), runs in many goroutines at once (AC-008) and
//     fails, instead of breaking, on input that its schema should have kept out (AC-009).
//   - An external action hands Input.Key on (AC-010): the other side recognises by it what
//     comes twice. A transactional one writes with the ctx it is given and reaches nowhere
//     else (AC-011).
//
// Checklist: fail with automation.Fail and the class that you know, so that the policy
// of the step can tell what to repeat; write messages for the owner of the rule, without
// addresses and secrets, and put the cause into Err; log with Input.Log what helps to
// understand a run; name what you need in Permissions, Secrets and Hosts, which people
// review.
//
// Common mistakes: retrying inside of Run (attempts are then neither recorded nor under
// the policy), a key made in Run, an effect declared none that is one, reading the clock
// where Input.Now is meant, keeping Input.With after the return.
//
// # Writing a Trigger
//
// An automation.Trigger says which events start a rule. It is asked again for a rerun and
// by several workers, so it only looks at the event (TR-003, TR-004); thresholds that
// differ between rules belong into their conditions. Its sample fires it (TR-002), and
// events of another shape do not (TR-005).
//
// # Writing a Store
//
// A Store keeps rows; it decides nothing. Contract and order of every method are in the
// documentation of automation.Store. The parts that go wrong first:
//
//   - SaveRule and Save compare the revision or version and replace in one statement.
//     Reading it first loses races (AU-003, AU-008).
//   - A conflict leaves the transaction usable: on an engine where a failed statement
//     ends it, insert with ON CONFLICT DO NOTHING and count (AU-009, AU-010).
//   - Listeners are those of enabled rules, in the environment of their current version
//     (AU-005).
//   - Lists continue behind (time, id), never behind a time or an offset (AU-012).
//   - PutSignal and Save with a WaitKey lock the key where transactions run side by
//     side (AU-016).
package automationtest
