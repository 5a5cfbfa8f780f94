package authztest_test

import (
	"context"
	"testing"

	"github.com/lumelle/adminkit/authz"
	"github.com/lumelle/adminkit/authz/authztest"
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
	// Output:
}
