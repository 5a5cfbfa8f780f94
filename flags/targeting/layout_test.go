package targeting

import (
	"fmt"
	"strings"
	"testing"
)

// Where the variants lie never changes either: this is the other half of scheme x1.
func TestWhereVariantsLieNeverChanges(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		weights []float64
		want    string // the variants in order, each with the slot behind its run
	}{
		{"one has everything", []float64{3}, "0<1000000000"},
		{"two are one cut", []float64{40, 60}, "0<400000000 1<1000000000"},
		{"the cut is rounded to the nearest slot", []float64{2, 1}, "0<666666667 1<1000000000"},
		{"nothing for the first", []float64{0, 1}, "1<1000000000"},
		{"nothing for the last", []float64{1, 0}, "0<1000000000"},
		{"thirds leave a slot to the last", []float64{1, 1, 1}, "0<333333333 1<666666666 2<1000000000"},
		{"sevenths fit their rooms", []float64{1, 1, 1, 1, 1, 1, 1}, "0<142857142 1<285714285 2<428571428 3<571428571 4<714285714 5<857142857 6<1000000000"},
		{"rounding gives no slot beyond a room", []float64{10, 9, 10, 10, 10, 10, 11}, "0<142857142 1<271428571 6<285714285 2<428571428 3<571428571 4<714285714 5<857142857 6<1000000000"},
		{"two small ones keep to their rooms", []float64{1, 1, 98}, "0<10000000 2<333333333 1<343333333 2<1000000000"},
		{"a large one in the middle", []float64{10, 80, 10}, "0<100000000 1<900000000 2<1000000000"},
		{"a large one in front", []float64{80, 10, 10}, "0<333333333 1<433333333 0<900000000 2<1000000000"},
		{"two that exceed their rooms", []float64{45, 40, 15}, "0<333333333 1<733333333 0<850000000 2<1000000000"},
		{"two alike that exceed their rooms", []float64{45, 45, 10}, "0<333333333 1<666666666 0<783333333 1<900000000 2<1000000000"},
		{"a room that stands empty", []float64{50, 0, 30, 20}, "0<250000000 2<300000000 0<500000000 2<750000000 0<800000000 3<1000000000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var runs []string
			for _, r := range rooms(c.weights, Slots) {
				runs = append(runs, fmt.Sprintf("%d<%d", r.index, r.end))
			}
			if got := strings.Join(runs, " "); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}
