package authztest_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/lumelle/adminkit/authz"
	"github.com/lumelle/adminkit/authz/authztest"
	"github.com/lumelle/adminkit/storage/memory"
)

// An engine by somebody else: it knows two roles and forgets the rest of the policy.
type engine struct{ roles map[string]string }

func (e *engine) Authorize(_ context.Context, r authz.Request) (authz.Decision, error) {
	return authz.Decision{PolicyVersion: "1"}.Settle(r), nil
}

func (e *engine) grant(_ context.Context, tenant string, subject authz.Entity, role string) error {
	e.roles[tenant+"/"+subject.Key()] = role
	return nil
}

func (e *engine) revoke(_ context.Context, tenant string, subject authz.Entity, _ string) error {
	delete(e.roles, tenant+"/"+subject.Key())
	return nil
}

// The test of an engine. Options.New writes the suite's policy in the engine's words.
func ExampleRun() {
	_ = func(t *testing.T) {
		authztest.Run(t, authztest.Options{New: func(t *testing.T) authztest.Harness {
			e := &engine{roles: map[string]string{}}
			return authztest.Harness{Authorizer: e, Grant: e.grant, Revoke: e.revoke}
		}})
	}
}

// An author of a backend holds its Store to the rules with one call.
func ExampleRunStore() {
	_ = func(t *testing.T) { // TestPolicies
		authztest.RunStore(t, func(t *testing.T) authztest.StoreUnderTest {
			b, err := memory.New(memory.Config{}) // yours
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { b.Close(context.WithoutCancel(t.Context())) })
			return b
		})
	}
}

// The rules of a store say what they are for.
func ExampleStoreRules() {
	first := authztest.StoreRules()[0]
	fmt.Println(first)
	fmt.Println(first.Explanation)
	// Output:
	// PS-001 a row comes back as it was added
	// what a row says decides who may do what
}

// The rules by their ids, which failures and reviews cite.
func ExampleRules() {
	for _, r := range authztest.Rules() {
		fmt.Println(r)
	}
	// Output:
	// AU-001 what a role of the subject allows is allowed
	// AU-002 a subject without the role is denied
	// AU-003 an action that the policy does not know is denied
	// AU-004 an action is compared as a whole
	// AU-005 a type of resource is compared as a whole
	// AU-006 a role in one tenant is none in another
	// AU-007 in a tenant that does not exist nobody may do anything
	// AU-008 subjects are compared byte for byte
	// AU-009 a subject is its type and its id
	// AU-010 a subject named like a role does not have it
	// AU-011 a denial wins over every right
	// AU-012 an amount at the threshold is not above it
	// AU-013 numbers compare exactly
	// AU-014 a number and its decimal string are the same amount
	// AU-015 a missing attribute denies
	// AU-016 an attribute that is no number denies
	// AU-017 step-up comes before approval
	// AU-018 at the threshold of step-up none is asked for
	// AU-019 a proof of exactly the greatest age is fresh, a tick more is not
	// AU-020 a proof from the future or without a time is none
	// AU-021 a requirement is not a right
	// AU-022 obligations stand where something is open and nowhere else
	// AU-023 every decision says why and by which policy
	// AU-024 what a rule determined names the rule
	// AU-025 a revoked role is gone with the next decision
	// AU-026 a granted role is there with the next decision
	// AU-027 the version moves with the policy
	// AU-028 no acknowledged revocation is overtaken by an allow
	// AU-029 the zero request is denied without a panic
	// AU-030 hostile values are denied without a panic
	// AU-031 an error denies
	// AU-032 a ctx that is done allows nothing
	// AU-033 reasons quote no internals
	// AU-034 the request is left as it was
}
