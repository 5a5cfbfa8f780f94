package targeting_test

import (
	"testing"

	"github.com/lumelle/adminkit/flags/targeting"
)

// The order of section 11 of semver.org, with numbers of several lengths beside.
func TestVersionsHaveAPrecedence(t *testing.T) {
	t.Parallel()
	ascending := []string{
		"0.9.9", "1.0.0-0", "1.0.0-9", "1.0.0-10", "1.0.0--1", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta",
		"1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "1.0.1-a", "1.0.1", "1.1.0", "1.10.0", "2.0.0", "10.0.0",
	}
	for i, a := range ascending {
		for j, b := range ascending {
			for op, want := range map[targeting.Op]bool{
				targeting.SemverLess: i < j, targeting.SemverLessEqual: i <= j, targeting.SemverEqual: i == j,
				targeting.SemverGreaterEqual: i >= j, targeting.SemverGreater: i > j,
			} {
				m := matcher(t, targeting.Condition{Path: "v", Op: op, Value: text(b)}, targeting.Options{})
				if got := m.Match(targeting.Attributes{"v": text(a + "+build.01")}); got != want {
					t.Errorf("%s %s %s: %v, want %v", a, op, b, got, want)
				}
			}
		}
	}
}

func TestWhatIsNoVersion(t *testing.T) {
	t.Parallel()
	m := matcher(t, targeting.Condition{Path: "v", Op: targeting.SemverGreaterEqual, Value: text("0.0.0-0")}, targeting.Options{})
	for _, v := range []string{
		"", "1", "1.2", "1.2.3.4", "v1.2.3", "01.2.3", "1.02.3", "1.2.03", "-1.2.3", "1.2.x", "1.2.3-", "1.2.3+", "1.2.3-a..b",
		"1.2.3-01", "1.2.3-a_b", "1.2.3+a+b", "1.2.3-é", " 1.2.3", "1.2.3 ", "1..3",
	} {
		if m.Match(targeting.Attributes{"v": text(v)}) {
			t.Errorf("%q was read as a version", v)
		}
	}
}
