package flags_test

import (
	"context"
	"fmt"

	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/flags/targeting"
)

// The edge of an application says once for whom flags are read below it.
func ExampleWithSubject() {
	ctx := flags.WithSubject(context.Background(), &flags.Subject{
		Tenant: "acme", Key: "sam", Attributes: targeting.Attributes{flags.AttrPlan: targeting.String("pro")},
	})
	s := flags.SubjectFrom(ctx)
	for _, path := range []string{flags.AttrTenant, flags.AttrTargetingKey, flags.AttrPlan, flags.AttrRole} {
		v, ok := s.Attribute(path)
		fmt.Println(path, v, ok)
	}
	// Output:
	// tenant "acme" true
	// targetingKey "sam" true
	// plan "pro" true
	// role null false
}
