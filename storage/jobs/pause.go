package jobs

import "time"

// nudgeAfter is how old the last beat has to be for another one that only asks for news.
const nudgeAfter = 100 * time.Millisecond

// Pause has the worker start no more jobs, until [Worker.Resume]: a process can be switched
// off without being stopped. Handlers at work go on to their end. Lanes are given to the
// other workers as soon as nothing of them is at work, with all that was read ahead, and
// the others share them without this one. It does not wait for that; [Worker.Stats] tells
// when nothing runs any more. Its lease stays alive.
//
// A worker may be paused before it is started. Pausing again does nothing.
func (w *Worker) Pause() { w.setPaused(true) }

// Resume ends a [Worker.Pause]. The worker takes its share of the lanes again.
func (w *Worker) Resume() { w.setPaused(false) }

func (w *Worker) setPaused(paused bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.paused == paused {
		return
	}
	w.paused = paused
	if t := w.tenure; t != nil {
		if paused {
			t.board.retire()
		} else {
			t.swept, t.sweepAt = LaneID{}, time.Time{} // while it rested it forgot what it heard
		}
		t.poll = true
		signal(w.lost) // the keeper tells the others
		signal(w.wake)
	}
}

// resting reports whether the worker wants no lanes.
func (w *Worker) resting() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.paused
}
