package approvals

import (
	"context"
	"fmt"

	"github.com/lumelle/adminkit/audit/correlation"
)

var _ correlation.Source = (*Service)(nil)

// Timeline implements [correlation.Source]: one entry for each step that requests of
// the trace made, and for each that was made under the trace.
func (s *Service) Timeline(ctx context.Context, tenant, traceID string) ([]correlation.Entry, error) {
	steps, err := s.store.Trace(ctx, tenant, traceID)
	if err != nil {
		return nil, err
	}
	entries := make([]correlation.Entry, len(steps))
	for i, t := range steps {
		entries[i] = correlation.Entry{
			At: t.Step.At, Kind: correlation.KindApproval, ID: t.Request.ID, Summary: Summary(t.Request, t.Step),
		}
	}
	return entries, nil
}

// Summary says in one line who did what to a request.
func Summary(r Request, step Step) string {
	change := fmt.Sprintf("%s of %s %s", r.Action, r.Resource.Type, name(r.Resource.Name, r.Resource.ID))
	who := name(step.Actor.Name, step.Actor.ID)
	switch step.Verb {
	case "drafted":
		return fmt.Sprintf("%s drafted %s", who, change)
	case "submitted":
		return fmt.Sprintf("%s asked for approval of %s", who, change)
	case "revised":
		return fmt.Sprintf("%s revised %s to revision %d", who, change, step.Revision)
	case "resubmitted":
		return fmt.Sprintf("%s put %s forward again", who, change)
	case "endorsed", "approved":
		return fmt.Sprintf("%s approved %s", who, change)
	case "rejected":
		return fmt.Sprintf("%s declined %s", who, change)
	case "changes_requested":
		return fmt.Sprintf("%s requested changes to %s", who, change)
	case "commented":
		return fmt.Sprintf("%s commented on %s", who, change)
	case "cancelled":
		return fmt.Sprintf("%s cancelled %s", who, change)
	case "expired":
		return fmt.Sprintf("%s expired undecided", change)
	case "started":
		return fmt.Sprintf("applying %s began", change)
	case "applied":
		return fmt.Sprintf("%s was applied on behalf of %s", change, name(r.Requester.Name, r.Requester.ID))
	}
	return fmt.Sprintf("%s could not be applied", change)
}

// name returns what people call something, else its id.
func name(label, id string) string {
	if label != "" {
		return label
	}
	return id
}
