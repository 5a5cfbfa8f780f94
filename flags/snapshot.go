package flags

import (
	"encoding/binary"
	"hash/fnv"
	"maps"
	"slices"
	"strings"
	"time"
)

// A snapshot is what a tenant's flags are in one environment after one change. It does
// not change: the next one takes its place.
type snapshot struct {
	// flags answer by key, ordered holds the same in order of the keys.
	flags   map[string]slot
	ordered []slot
	// change is the last change of the tenant that is in it.
	change int64
	// stale says that the store may know better.
	stale bool
	// version is that of all answers together, unless a QA override has ended since.
	version int64
	// ends are when the QA overrides end, in order.
	ends []time.Time
}

// A slot is what a snapshot has of one flag.
type slot struct {
	*compiled
	// stale says that the newest definition cannot be read and an older one answers.
	stale bool
}

// next returns the snapshot that follows when some slots changed; those without a
// compiled flag are gone.
func (s *snapshot) next(change int64, changed map[string]slot) *snapshot {
	n := &snapshot{flags: map[string]slot{}, change: change, stale: s.stale}
	if len(changed) == 0 {
		n.flags, n.ordered, n.ends = s.flags, s.ordered, s.ends
		n.version = n.sum()
		return n
	}
	maps.Copy(n.flags, s.flags)
	for key, slot := range changed {
		if slot.compiled == nil {
			delete(n.flags, key)
		} else {
			n.flags[key] = slot
		}
	}
	// Sorting what is nearly in order would still compare everything; most changes are
	// of one flag among many.
	keys := sortedKeys(changed)
	n.ordered = make([]slot, 0, len(n.flags))
	rest := s.ordered
	for _, key := range keys {
		i, found := slices.BinarySearchFunc(rest, key, func(s slot, key string) int { return strings.Compare(s.key, key) })
		n.ordered = append(n.ordered, rest[:i]...)
		if slot := changed[key]; slot.compiled != nil {
			n.ordered = append(n.ordered, slot)
		}
		if found {
			i++
		}
		rest = rest[i:]
	}
	n.ordered = append(n.ordered, rest...)
	for _, slot := range n.ordered {
		n.ends = append(n.ends, slot.ends...)
	}
	slices.SortFunc(n.ends, time.Time.Compare)
	n.version = n.sum()
	return n
}

// aged returns the snapshot as stale or fresh.
func (s *snapshot) aged(stale bool) *snapshot {
	n := *s
	n.stale = stale
	n.version = n.sum()
	return &n
}

// sum returns the version. The change alone is enough where every answer follows from
// it; otherwise it is a hash of everything that answers depend on beside the subject, so
// that two processes with the same answers have the same version.
func (s *snapshot) sum() int64 {
	special := s.stale
	h := fnv.New64a()
	var b [9]byte
	binary.LittleEndian.PutUint64(b[:8], uint64(s.change))
	if s.stale {
		b[8] = 1
	}
	h.Write(b[:])
	for _, slot := range s.ordered {
		if slot.stale || slot.broken {
			special = true
			h.Write([]byte(slot.key))
			binary.LittleEndian.PutUint64(b[:8], uint64(slot.fallback.Version))
			b[8] = 0
			h.Write(b[:])
		}
	}
	if !special {
		return s.change
	}
	return hashed(h.Sum64())
}

// hashed makes a version of a hash, which no count of changes reaches.
func hashed(sum uint64) int64 { return int64(sum>>2 | 1<<61) }

// at returns the version at a time: the end of a QA override changes answers without a
// change of the definition.
func (s *snapshot) at(now func() time.Time) int64 {
	if len(s.ends) == 0 {
		return s.version
	}
	moment := now()
	ended, _ := slices.BinarySearchFunc(s.ends, moment, func(end, now time.Time) int {
		if end.After(now) {
			return 1
		}
		return -1
	})
	if ended == 0 {
		return s.version
	}
	h := fnv.New64a()
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:8], uint64(s.version))
	binary.LittleEndian.PutUint64(b[8:], uint64(ended))
	h.Write(b[:])
	return hashed(h.Sum64())
}
