package webhooks

import (
	"context"
	"time"
)

const (
	// quiet is how long an overloaded receiver is left alone at least, and maxQuiet
	// how long it can ask for at most.
	quiet    = time.Minute
	maxQuiet = time.Hour
)

// judge keeps the health of an endpoint after an attempt, disables it where it is
// time, and reports whether it is still enabled and until when it is left alone. A
// failure locks the endpoint until the transaction ends.
func (s *Service) judge(ctx context.Context, e Endpoint, r Result, ended time.Time) (enabled bool, until time.Time, err error) {
	e, h, err := s.store.GetEndpoint(ctx, e.Tenant, e.ID, r.Outcome != Accepted)
	if err != nil {
		return false, until, ignoreNotFound(err)
	}
	enabled = e.Status == Enabled
	if r.Outcome == Accepted {
		if h != (Health{}) {
			err = s.store.SetHealth(ctx, e.Tenant, e.ID, Health{})
		}
		return enabled, until, err
	}
	h.Failures++
	if h.FailingSince.IsZero() {
		h.FailingSince = ended
	}
	if r.Throttle {
		h.QuietUntil = later(h.QuietUntil, ended.Add(min(max(r.RetryAfter, quiet), maxQuiet)))
	}
	if err := s.store.SetHealth(ctx, e.Tenant, e.ID, h); err != nil {
		return false, until, err
	}
	reason := ""
	switch {
	case r.Outcome == Gone:
		reason = ReasonGone
	case h.Failures >= s.cfg.DisableFailures, ended.Sub(h.FailingSince) >= s.cfg.DisableAfter:
		reason = ReasonFailing
	}
	if enabled && reason != "" {
		return false, h.QuietUntil, s.disable(ctx, e, reason, ended)
	}
	return enabled, h.QuietUntil, nil
}
