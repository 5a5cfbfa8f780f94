package process

import (
	"bufio"
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

// Config says what a child is to do. Role is required.
type Config struct {
	// Role is the name of one of the Roles that the program hands to Main.
	Role string
	// Args are handed to the role.
	Args []string
	// Wrap, where not nil, may change the command before it starts, for instance to
	// run it under a tracer.
	Wrap func(*exec.Cmd) error
}

// A Process is a running child. One goroutine listens to it with Line, Rest, KillAfter
// and Stop; Kill and the other methods may be called from others.
type Process struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	errors errorText

	waited sync.Once
	ended  error
}

// Start runs the program once more, as a child with a role.
func Start(cfg Config) (*Process, error) {
	if cfg.Role == "" {
		return nil, errors.New("process: no role")
	}
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("process: %w", err)
	}
	text, err := json.Marshal(task{cfg.Role, cfg.Args})
	if err != nil {
		return nil, fmt.Errorf("process: %w", err)
	}
	p := &Process{cmd: exec.Command(program)}
	p.cmd.Env = append(os.Environ(), childEnv+"="+string(text))
	p.cmd.Stderr = &p.errors
	if cfg.Wrap != nil {
		if err := cfg.Wrap(p.cmd); err != nil {
			return nil, err
		}
	}
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("process: %w", err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("process: %w", err)
	}
	p.out = bufio.NewReader(out)
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("process: %w", err)
	}
	return p, nil
}

// Line waits for the next line that the child says. It returns io.EOF when the child has
// ended; what it had not said to the end of the line counts for nothing.
func (p *Process) Line() (string, error) {
	line, err := p.out.ReadString('\n')
	if err != nil {
		return "", io.EOF // also where the pipe was closed under it
	}
	return strings.TrimSuffix(line, "\n"), nil
}

// Rest waits for the end of the child and returns the lines that were not read yet.
func (p *Process) Rest() []string {
	var lines []string
	for {
		line, err := p.Line()
		if err != nil {
			return lines
		}
		lines = append(lines, line)
	}
}

// KillAfter waits for the first line of the child, lets it go on for so long, kills it
// and returns all its lines. It is an error, and says why, where the child ended by
// itself: a run that nobody killed proves nothing.
func (p *Process) KillAfter(d time.Duration) ([]string, error) {
	first, err := p.Line()
	if err != nil {
		return nil, fmt.Errorf("process: the child ended before it said anything: %w", p.wait())
	}
	timer := time.AfterFunc(d, func() { p.cmd.Process.Kill() })
	lines := append([]string{first}, p.Rest()...)
	timer.Stop()
	if err := p.wait(); !killed(p.cmd.ProcessState) {
		return lines, fmt.Errorf("process: the child ended by itself: %w", err)
	}
	return lines, nil
}

// Kill ends the child at once, in the middle of whatever it does, and waits for its end.
// What it said before can still be read only by those who listened.
func (p *Process) Kill() error {
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("process: %w", err)
	}
	p.wait() // its error is the kill
	return nil
}

// Stop asks the child to end, waits for it, and returns what it had to complain about.
// Lines that were not read yet are dropped.
func (p *Process) Stop() error {
	if err := p.in.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("process: %w", err)
	}
	p.Rest() // a child that nobody listens to could not end
	return p.wait()
}

// ID returns the id that the system gave to the child.
func (p *Process) ID() int { return p.cmd.Process.Pid }

// Stderr returns the last words of the child: what it wrote to its error output, 64 KiB
// at most.
func (p *Process) Stderr() string { return p.errors.String() }

func (p *Process) wait() error {
	p.waited.Do(func() {
		if err := p.cmd.Wait(); err != nil {
			p.ended = fmt.Errorf("process: %w: %s", err, strings.TrimSpace(p.Stderr()))
		}
	})
	return p.ended
}

// maxErrors is how much of a child's error output is kept.
const maxErrors = 64 << 10

// errorText keeps the end of what is written to it.
type errorText struct {
	mu   sync.Mutex
	text []byte
}

// Write implements io.Writer.
func (e *errorText) Write(b []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.text = append(e.text, b...)
	if cut := len(e.text) - maxErrors; cut > 0 {
		e.text = append(e.text[:0], e.text[cut:]...)
	}
	return len(b), nil
}

func (e *errorText) String() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return string(e.text)
}
