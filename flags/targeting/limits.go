package targeting

// The limits of a definition. What is beyond one is refused with the place where it is.
const (
	// MaxBytes is the longest JSON text of a condition, in bytes.
	MaxBytes = 256 << 10
	// MaxAudienceBytes is the longest JSON text of an audience, in bytes.
	MaxAudienceBytes = 1 << 20
	// MaxDepth is how deep the nodes of a condition may nest.
	MaxDepth = 16
	// MaxNodes is how many nodes a condition may have.
	MaxNodes = 1000
	// MaxCost is how many nodes a condition may have when each audience it refers to is
	// written out, and so how many one match visits at most.
	MaxCost = 10_000
	// MaxValues is how many values the clauses of a condition may have in all.
	MaxValues = 5_000
	// MaxAlternatives is how many texts contains, starts_with and ends_with may have,
	// and how many prefixes in_cidr.
	MaxAlternatives = 64
	// MaxText is the longest text of a value or a key, in bytes.
	MaxText = 1024
	// MaxPath is the longest path, in bytes.
	MaxPath = 256
	// MaxPattern is the longest regular expression, in bytes.
	MaxPattern = 512
	// MaxPatterns is how long the regular expressions of a condition may be in all.
	MaxPatterns = 4096
	// MaxMembers is how many keys an audience may list.
	MaxMembers = 10_000
	// MaxAudiences is how many audiences a library may have.
	MaxAudiences = 10_000
	// MaxChain is how many audiences may refer to each other in a row.
	MaxChain = 8
	// MaxBy is how many attributes a fallback chain of keys may have.
	MaxBy = 8
	// MaxVariants is how many shares a split may have.
	MaxVariants = 100
	// MaxErrors is how many places an [InvalidError] names.
	MaxErrors = 20
)

// The limits of what a match reads of a subject. Beyond them a clause does not hold,
// as if the attribute were of a type that it cannot read.
const (
	// MaxElements is how many elements of a list attribute may have.
	MaxElements = 1000
	// MaxInput is the longest text that matches and contains read, in bytes.
	MaxInput = 4096
)
