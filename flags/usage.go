package flags

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/lumelle/adminkit/storage"
)

// maxUses bounds how many uses of a day are known, and so how many are told.
const maxUses = 10_000

// A usage collects the uses of QA overrides until they are told. Noting one never waits
// for the store.
type usage struct {
	mu      sync.Mutex
	day     time.Time
	seen    map[tenantUse]struct{}
	pending []tenantUse
	full    bool
}

type tenantUse struct {
	tenant string
	OverrideUse
}

// used notes that an override decided for s.
func (p *Provider) used(set *set, key string, o *Override, s *Subject) {
	if p.cfg.Used == nil {
		return
	}
	subject := s.Key
	if storage.CheckID("", subject) != nil {
		subject = o.Subject // which is what it is known by where its key cannot be on record
	}
	u := tenantUse{set.tenant, OverrideUse{Flag: key, Environment: p.environment, Override: o.ID, Subject: subject,
		Day: p.cfg.Now().UTC().Truncate(24 * time.Hour)}}
	if p.usage.note(u) {
		p.cfg.Logger.Warn("too many uses of overrides in a day: those of more subjects are not told", "limit", maxUses)
	}
}

// note takes down a use that is new, and reports true once when there are too many.
func (us *usage) note(u tenantUse) (overflow bool) {
	us.mu.Lock()
	defer us.mu.Unlock()
	if !us.day.Equal(u.Day) {
		us.day, us.full = u.Day, false
		us.seen = map[tenantUse]struct{}{}
	}
	if _, ok := us.seen[u]; ok {
		return false
	}
	if len(us.seen) >= maxUses || len(us.pending) >= maxUses {
		overflow = !us.full
		us.full = true
		return overflow
	}
	us.seen[u] = struct{}{}
	us.pending = append(us.pending, u)
	return false
}

// take returns what was not told yet.
func (us *usage) take() []tenantUse {
	us.mu.Lock()
	defer us.mu.Unlock()
	taken := us.pending
	us.pending = nil
	return taken
}

// giveBack keeps what could not be told for the next time.
func (us *usage) giveBack(rest []tenantUse) {
	us.mu.Lock()
	defer us.mu.Unlock()
	us.pending = append(rest, us.pending...)
}

// flush tells the uses. The first that cannot be told ends it: the store is not well. One
// that can never be told is dropped, so that it does not stand before all others.
func (p *Provider) flush(ctx context.Context) {
	if p.cfg.Used == nil {
		return
	}
	pending := p.usage.take()
	for i, u := range pending {
		call, cancel := context.WithTimeout(ctx, p.cfg.Timeout)
		err := p.cfg.Used(call, u.tenant, u.OverrideUse)
		cancel()
		if never, ok := errors.AsType[*storage.InvalidError](err); ok {
			p.cfg.Logger.Warn("the use of an override cannot be told", "tenant", u.tenant, "flag", u.Flag, "override", u.Override, "error", never)
			continue
		}
		if err != nil {
			if ctx.Err() == nil {
				p.cfg.Logger.Warn("the use of an override could not be told", "tenant", u.tenant, "flag", u.Flag, "override", u.Override, "error", err)
			}
			p.usage.giveBack(pending[i:])
			return
		}
	}
}
