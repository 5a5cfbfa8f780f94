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

// A standing is what an endpoint is after an attempt.
type standing struct {
	exists, enabled bool
	// quietUntil is the earliest time of the next attempt, zero for now.
	quietUntil time.Time
}

// judge keeps the health of an endpoint after an attempt, and disables it where it is
// time. A failure locks the endpoint until the transaction ends.
func (s *Service) judge(ctx context.Context, e Endpoint, r Result, ended time.Time) (standing, error) {
	e, h, err := s.store.GetEndpoint(ctx, e.Tenant, e.ID, r.Outcome != Accepted)
	if err != nil {
		return standing{}, ignoreNotFound(err)
	}
	if r.Outcome == Accepted {
		if h != (Health{}) {
			err = s.store.SetHealth(ctx, e.Tenant, e.ID, Health{})
		}
		return standing{exists: true, enabled: e.Status == Enabled}, err
	}
	h.Failures++
	if h.FailingSince.IsZero() {
		h.FailingSince = ended
	}
	if r.Throttle {
		h.QuietUntil = later(h.QuietUntil, ended.Add(min(max(r.RetryAfter, quiet), maxQuiet)))
	}
	if err := s.store.SetHealth(ctx, e.Tenant, e.ID, h); err != nil {
		return standing{}, err
	}
	after := standing{exists: true, enabled: e.Status == Enabled, quietUntil: h.QuietUntil}
	if reason := s.verdict(h, r, ended); after.enabled && reason != "" {
		after.enabled = false
		return after, s.disable(ctx, e, reason, ended)
	}
	return after, nil
}

// verdict returns why an endpoint has to be disabled after a failure, empty where it
// does not.
func (s *Service) verdict(h Health, r Result, ended time.Time) string {
	switch {
	case r.Outcome == Gone:
		return ReasonGone
	case h.Failures >= s.cfg.DisableFailures, ended.Sub(h.FailingSince) >= s.cfg.DisableAfter:
		return ReasonFailing
	}
	return ""
}
