package approvals

import (
	"context"

	"github.com/lumelle/adminkit/storage/jobs"
)

// Settler is how a test sees that a job was settled.
type Settler = settler

// Work does one job as the handlers of the Service do.
func (s *Service) Work(ctx context.Context, job jobs.Job, done Settler) error {
	return s.work(ctx, job, done)
}
