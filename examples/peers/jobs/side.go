package main

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// lanes is over how many lanes jobs are spread, by the side that has them.
const lanes = 100

// A side is one engine in one process.
type side interface {
	// Fill stores jobs before anybody works, as fast as the engine can.
	Fill(ctx context.Context, jobs int) error
	// Enqueue stores one job in a transaction of its own.
	Enqueue(ctx context.Context, number int) error
	// Start begins to work.
	Start(ctx context.Context) error
	// Unfinished reports whether a job is left.
	Unfinished(ctx context.Context) (bool, error)
	// Close ends it all.
	Close(ctx context.Context) error
}

// open opens a side on a place. begun is called by each handler with the time that its
// job carries.
func open(ctx context.Context, name string, p place, begun func(enqueued time.Time)) (side, error) {
	switch name {
	case "ours":
		return openOurs(ctx, p, begun)
	case "river":
		return openRiver(ctx, p, begun)
	case "dbos":
		return openDBOS(ctx, p, begun)
	}
	return nil, fmt.Errorf("there is no side %q", name)
}

// filler is what a job carries beside the time.
var filler = strings.Repeat("x", 140)

// A message is what a job carries.
type message struct {
	Enqueued int64  `json:"enqueued"`
	Filler   string `json:"filler"`
}

func newMessage() message { return message{Enqueued: time.Now().UnixNano(), Filler: filler} }

func (m message) time() time.Time { return time.Unix(0, m.Enqueued) }
