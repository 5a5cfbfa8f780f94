package targeting

import "math"

// A run is a stretch of slots that ends before end and belongs to one variant.
type run struct {
	end   uint64
	index int
}

// rooms lays variants out over slots: each has a room of equal size and fills it from
// below, the last one from above; whoever has more than a room gets what the others
// leave free in theirs. So a variant that fits its room does not notice the others.
func rooms(weights []float64, slots uint64) []run {
	n, sum, heir := uint64(len(weights)), 0.0, 0
	for i, w := range weights {
		sum += w
		if w >= weights[heir] {
			heir = i
		}
	}
	var l layout
	excess := make([]uint64, len(weights))
	for i, w := range weights {
		from, to := uint64(i)*slots/n, (uint64(i)+1)*slots/n
		size := uint64(math.Floor(w/sum*float64(slots) + 0.5))
		own := min(size, to-from)
		if w*float64(n) > sum {
			excess[i] = size - own
		}
		if i == len(weights)-1 {
			l.put(to-own, free)
			l.put(to, i)
		} else {
			l.put(from+own, i)
			l.put(to, free)
		}
	}
	// The excess of others first; the largest takes what remains, rounding included.
	excess[heir] = slots
	order := make([]int, 0, len(weights))
	for i := range weights {
		if i != heir && excess[i] > 0 {
			order = append(order, i)
		}
	}
	return l.fill(append(order, heir), excess)
}

// free marks slots that no variant has yet.
const free = -1

// A layout is a list of runs in order.
type layout struct{ runs []run }

// put extends the layout up to end.
func (l *layout) put(end uint64, index int) {
	last := len(l.runs) - 1
	switch {
	case last >= 0 && l.runs[last].end == end || last < 0 && end == 0:
	case last >= 0 && l.runs[last].index == index:
		l.runs[last].end = end
	default:
		l.runs = append(l.runs, run{end, index})
	}
}

// fill gives the free slots, from below, to the variants of order, to each as many as
// it wants.
func (l *layout) fill(order []int, wants []uint64) []run {
	var full layout
	at := uint64(0)
	for _, r := range l.runs {
		if r.index != free {
			full.put(r.end, r.index)
			at = r.end
			continue
		}
		for at < r.end {
			take := min(wants[order[0]], r.end-at)
			at += take
			full.put(at, order[0])
			if wants[order[0]] -= take; wants[order[0]] == 0 {
				order = order[1:]
			}
		}
	}
	return full.runs
}

// inOrder lays variants out one behind the other; the weights are whole numbers.
func inOrder(weights []float64) []run {
	var l layout
	end := uint64(0)
	for i, w := range weights {
		end += uint64(w)
		l.put(end, i)
	}
	return l.runs
}
