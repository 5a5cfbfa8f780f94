package memory

import "cmp"

// A sequenceRow holds the last id that was given to a kind of row. Ids of deleted
// rows are not given again.
type sequenceRow struct {
	Kind string
	Last int64
}

var sequenceTable = table[sequenceRow]{
	func(a, b *sequenceRow) int { return cmp.Compare(a.Kind, b.Kind) },
}

func nextID(v view, kind string) int64 {
	row, _ := sequenceTable.get(v, sequenceRow{Kind: kind})
	row.Kind, row.Last = kind, row.Last+1
	sequenceTable.put(v, row)
	return row.Last
}
