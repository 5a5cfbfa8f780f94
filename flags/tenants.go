package flags

import (
	"iter"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

// tenants finds the set of a tenant without a lock. New ones are found under a lock
// until they were asked for so often that copying all is cheap beside that.
type tenants struct {
	// sole is the only set there is, nil where there are several: many hosts have one.
	sole  atomic.Pointer[set]
	known atomic.Pointer[map[string]*set]

	mu     sync.Mutex
	recent map[string]*set
	misses int
}

// find returns the set of a tenant, nil where there is none.
func (t *tenants) find(tenant string) *set {
	if sole := t.sole.Load(); sole != nil && sole.tenant == tenant {
		return sole
	}
	return t.search(tenant)
}

// search is find among several.
func (t *tenants) search(tenant string) *set {
	if known := t.known.Load(); known != nil {
		if s := (*known)[tenant]; s != nil {
			return s
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.recent[tenant]
	if s == nil {
		return t.lookup(tenant) // it may have moved meanwhile
	}
	if t.misses++; t.misses >= t.size() {
		t.promote()
	}
	return s
}

// add returns the set of a tenant, the one that make makes where there is none, nil
// where there are limit of them already.
func (t *tenants) add(tenant string, limit int, make func() *set) *set {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := t.lookup(tenant); s != nil {
		return s
	}
	if t.size() >= limit {
		return nil
	}
	if t.recent == nil {
		t.recent = map[string]*set{}
	}
	s := make()
	t.recent[tenant] = s
	if t.sole.Store(nil); t.size() == 1 {
		t.sole.Store(s)
	}
	return s
}

// lookup finds a set wherever it is. The lock is held.
func (t *tenants) lookup(tenant string) *set {
	if s := t.recent[tenant]; s != nil {
		return s
	}
	if known := t.known.Load(); known != nil {
		return (*known)[tenant]
	}
	return nil
}

func (t *tenants) size() int {
	n := len(t.recent)
	if known := t.known.Load(); known != nil {
		n += len(*known)
	}
	return n
}

// promote makes all sets known. The lock is held.
func (t *tenants) promote() {
	all := make(map[string]*set, t.size())
	if known := t.known.Load(); known != nil {
		maps.Copy(all, *known)
	}
	maps.Copy(all, t.recent)
	t.known.Store(&all)
	t.recent, t.misses = nil, 0
}

// all returns the sets of now.
func (t *tenants) all() iter.Seq[*set] {
	t.mu.Lock()
	defer t.mu.Unlock()
	sets := slices.Collect(maps.Values(t.recent))
	if known := t.known.Load(); known != nil {
		sets = slices.AppendSeq(sets, maps.Values(*known))
	}
	return slices.Values(sets)
}
