package automation

import (
	"log/slog"
	"sync"
	"time"
)

// An attemptLog collects what an action logs, from any of its goroutines, until the
// attempt is over.
type attemptLog struct {
	now func() time.Time

	mu     sync.Mutex
	lines  []LogLine
	level  slog.Level
	closed bool
}

func (l *attemptLog) add(level slog.Level, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	l.level = max(l.level, level)
	if len(l.lines) < MaxLogLines {
		l.lines = append(l.lines, LogLine{At: l.now(), Level: level, Text: clip(text, MaxLogText)})
	}
}

// close returns the lines and their highest level. What is logged later is dropped.
func (l *attemptLog) close() ([]LogLine, slog.Level) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	return l.lines, l.level
}
