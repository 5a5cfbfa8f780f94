package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// workerEnv makes the command a process that only works: "SIDE STORE WHERE". It reads
// commands, a line each, and answers each with a line: start begins to work, report tells
// the waits of all handlers so far in nanoseconds. It ends with its input.
const workerEnv = "ADMINKIT_PEERS_WORKER"

// work is a process that only works.
func work(ctx context.Context, what string) error {
	name, where, _ := strings.Cut(what, " ")
	var waits waits
	s, err := open(ctx, name, place(where), waits.note)
	if err != nil {
		return err
	}
	fmt.Println("open")
	commands := bufio.NewScanner(os.Stdin)
	for commands.Scan() {
		switch commands.Text() {
		case "start":
			if err := s.Start(ctx); err != nil {
				return err
			}
			fmt.Println("started")
		case "report":
			if err := json.NewEncoder(os.Stdout).Encode(waits.all()); err != nil {
				return err
			}
		}
	}
	return errors.Join(commands.Err(), s.Close(ctx))
}

// A wait is how long one job waited for its handler.
type wait struct {
	// Enqueued is when it was enqueued, in nanoseconds since 1970.
	Enqueued int64 `json:"e"`
	// Waited is how long it waited, in nanoseconds.
	Waited int64 `json:"w"`
}

// waits collects what handlers see.
type waits struct {
	mu   sync.Mutex
	list []wait
}

// note is called by each handler.
func (w *waits) note(enqueued time.Time) {
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.list = append(w.list, wait{enqueued.UnixNano(), now.UnixNano() - enqueued.UnixNano()})
}

func (w *waits) all() []wait {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.list
}

// A crew is the processes that work on one place: this one, and children.
type crew struct {
	side     side // of this process
	waits    waits
	children []*child
}

// A child is a process that only works.
type child struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	answers *bufio.Scanner
}

// recruit opens a side in so many processes. Nobody works yet.
func recruit(ctx context.Context, name string, p place, processes int) (_ *crew, err error) {
	c := &crew{}
	if c.side, err = open(ctx, name, p, c.waits.note); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.close(ctx))
		}
	}()
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	for range processes - 1 {
		cmd := exec.CommandContext(ctx, self)
		cmd.Env = append(os.Environ(), workerEnv+"="+name+" "+string(p))
		cmd.Stderr = os.Stderr
		in, err := cmd.StdinPipe()
		if err != nil {
			return nil, err
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			return nil, err
		}
		if err := cmd.Start(); err != nil {
			return nil, err
		}
		answers := bufio.NewScanner(out)
		answers.Buffer(nil, 1<<28)
		ch := &child{cmd, in, answers}
		c.children = append(c.children, ch)
		if _, err := ch.answer(); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (c *child) answer() ([]byte, error) {
	if !c.answers.Scan() {
		return nil, errors.Join(errors.New("a worker process ended"), c.answers.Err())
	}
	return c.answers.Bytes(), nil
}

// start has all processes begin to work at once.
func (c *crew) start(ctx context.Context) error {
	for _, ch := range c.children {
		if _, err := io.WriteString(ch.in, "start\n"); err != nil {
			return err
		}
	}
	if err := c.side.Start(ctx); err != nil {
		return err
	}
	for _, ch := range c.children {
		if _, err := ch.answer(); err != nil {
			return err
		}
	}
	return nil
}

// finish waits until no job is left.
func (c *crew) finish(ctx context.Context) error {
	for {
		left, err := c.side.Unfinished(ctx)
		if err != nil {
			return err
		}
		if !left {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("jobs are left: %w", ctx.Err())
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// report returns what the handlers of all processes saw.
func (c *crew) report() ([]wait, error) {
	all := c.waits.all()
	for _, ch := range c.children {
		if _, err := io.WriteString(ch.in, "report\n"); err != nil {
			return nil, err
		}
		line, err := ch.answer()
		if err != nil {
			return nil, err
		}
		var theirs []wait
		if err := json.Unmarshal(line, &theirs); err != nil {
			return nil, err
		}
		all = append(all, theirs...)
	}
	return all, nil
}

func (c *crew) close(ctx context.Context) error {
	var errs []error
	for _, ch := range c.children {
		errs = append(errs, ch.in.Close(), ch.cmd.Wait())
	}
	return errors.Join(append(errs, c.side.Close(ctx))...)
}
