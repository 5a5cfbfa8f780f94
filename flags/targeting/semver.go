package targeting

import "strings"

// A version is a Semantic Version 2.0.0 without its build metadata, which has no
// precedence.
type version struct {
	core       [3]string // major, minor, patch
	prerelease string    // empty for a release, which comes after
}

// parseVersion reads a version as semver.org writes it: three numbers, no leading v.
func parseVersion(s string) (version, bool) {
	var v version
	s, build, ok := strings.Cut(s, "+")
	if ok && !identifiers(build, false) {
		return v, false
	}
	s, v.prerelease, ok = strings.Cut(s, "-")
	if ok && !identifiers(v.prerelease, true) {
		return v, false
	}
	for i := range v.core {
		var more bool
		v.core[i], s, more = strings.Cut(s, ".")
		if !numeric(v.core[i]) || more != (i < 2) {
			return v, false
		}
	}
	return v, true
}

// numeric reports whether s is a number without leading zeros.
func numeric(s string) bool { return allDigits(s) && (s[0] != '0' || s == "0") }

// identifiers reports whether s is a list of identifiers between dots; canonical ones
// have no leading zeros in numbers.
func identifiers(s string, canonical bool) bool {
	for more := true; more; {
		var id string
		id, s, more = strings.Cut(s, ".")
		if id == "" || canonical && allDigits(id) && !numeric(id) {
			return false
		}
		for i := range len(id) {
			if c := id[i]; c != '-' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
				return false
			}
		}
	}
	return true
}

// compareVersions orders two versions by precedence (section 11 of semver.org).
func compareVersions(a, b version) int {
	for i := range a.core {
		if c := compareDigits(a.core[i], b.core[i]); c != 0 {
			return c
		}
	}
	switch {
	case a.prerelease == b.prerelease:
		return 0
	case a.prerelease == "":
		return 1
	case b.prerelease == "":
		return -1
	}
	left, right := a.prerelease, b.prerelease
	for {
		var x, y string
		var moreLeft, moreRight bool
		x, left, moreLeft = strings.Cut(left, ".")
		y, right, moreRight = strings.Cut(right, ".")
		if c := compareIdentifiers(x, y); c != 0 {
			return c
		}
		switch {
		case !moreLeft && !moreRight:
			return 0
		case !moreLeft:
			return -1
		case !moreRight:
			return 1
		}
	}
}

// compareIdentifiers orders numbers before texts.
func compareIdentifiers(a, b string) int {
	switch x, y := allDigits(a), allDigits(b); {
	case x && y:
		return compareDigits(a, b)
	case x:
		return -1
	case y:
		return 1
	}
	return strings.Compare(a, b)
}

// compareDigits orders numbers of any length without leading zeros.
func compareDigits(a, b string) int {
	if len(a) != len(b) {
		return compare(int64(len(a)), int64(len(b)))
	}
	return strings.Compare(a, b)
}

// semverTest compares versions.
type semverTest struct {
	want                 version
	less, equal, greater bool
}

func compileSemver(_ *compiler, given Condition) (test, string) {
	v, ok := parseVersion(given.Value.text)
	if !given.Value.isText() || !ok {
		return nil, "must be a version such as 1.2.3 or 2.0.0-rc.1 (semver.org)"
	}
	op := given.Op
	return &semverTest{
		want:    v,
		less:    op == SemverLess || op == SemverLessEqual,
		equal:   op == SemverEqual || op == SemverLessEqual || op == SemverGreaterEqual,
		greater: op == SemverGreater || op == SemverGreaterEqual,
	}, ""
}

func (t *semverTest) test(v Value) outcome {
	if !v.isText() || len(v.text) > MaxText {
		return unreadable
	}
	got, ok := parseVersion(v.text)
	if !ok {
		return unreadable
	}
	switch c := compareVersions(got, t.want); {
	case c < 0:
		return outcomeOf(t.less)
	case c > 0:
		return outcomeOf(t.greater)
	}
	return outcomeOf(t.equal)
}
