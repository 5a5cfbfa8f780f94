package jobs

// A Priority says which of the due jobs of one lane start first. It does not reach over
// lanes: those take turns whatever waits in them.
type Priority int

// The priorities. Their numbers are stored.
const (
	Low    Priority = -1
	Normal Priority = 0
	High   Priority = 1
)

// Levels is how many priorities there are.
const Levels = 3

// Level is the place of a priority among all, the highest first: 0 for High, 1 for
// Normal, 2 for Low.
func (p Priority) Level() int { return int(High - p) }

// AtLevel is the inverse of [Priority.Level].
func AtLevel(level int) Priority { return High - Priority(level) }
