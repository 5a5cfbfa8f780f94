package jobs

import (
	"container/heap"
	"slices"
	"sort"
	"time"
)

// An alarm is a time at which a lane has a job due.
type alarm struct {
	at   time.Time
	lane LaneID
}

// maxAlarms bounds what is kept in memory. Jobs beyond it are found by the poll.
const maxAlarms = 4096

// alarms spares the jobs that this process enqueued or retried the wait for the poll.
type alarms []alarm

func (a alarms) Len() int           { return len(a) }
func (a alarms) Less(i, j int) bool { return a[i].at.Before(a[j].at) }
func (a alarms) Swap(i, j int)      { a[i], a[j] = a[j], a[i] }
func (a *alarms) Push(x any)        { *a = append(*a, x.(alarm)) }
func (a *alarms) Pop() any {
	last := (*a)[len(*a)-1]
	*a = (*a)[:len(*a)-1]
	return last
}

// set adds an alarm. Where there are too many the farther half gives way: far ones go away
// last by themselves, if ever, and would leave no room for those that come soon. Half of
// them go at once because to find the farthest takes a look at all.
func (a *alarms) set(at time.Time, lane LaneID) {
	heap.Push(a, alarm{at, lane})
	if len(*a) > maxAlarms {
		sort.Sort(a) // which leaves it a heap
		*a = slices.Delete(*a, maxAlarms/2, len(*a))
	}
}

// next returns the time of the earliest alarm.
func (a alarms) next() (at time.Time, ok bool) {
	if len(a) == 0 {
		return time.Time{}, false
	}
	return a[0].at, true
}

// due removes an alarm whose time has come and returns its lane.
func (a *alarms) due(now time.Time) (lane LaneID, ok bool) {
	if len(*a) == 0 || (*a)[0].at.After(now) {
		return LaneID{}, false
	}
	return heap.Pop(a).(alarm).lane, true
}
