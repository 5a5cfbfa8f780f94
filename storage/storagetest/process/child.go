package process

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
)

// childEnv tells a process that it is a child: it holds its role and arguments.
const childEnv = "ADMINKIT_PROCESS"

// A Role is what a child does, with the arguments that it was started with. It should
// return soon after its ctx ends, which happens when the parent asks for it or dies. An
// error ends the process with status 1 and stands in the parent's error output.
type Role func(ctx context.Context, args []string) error

// Roles are what the children of a program can do, by name.
type Roles map[string]Role

// task is what childEnv holds, as JSON.
type task struct {
	Role string
	Args []string
}

// Main runs the role of a child process and exits. In any other process it does
// nothing. Call it first in main, or in TestMain.
func Main(roles Roles) {
	text, ok := os.LookupEnv(childEnv)
	if !ok {
		return
	}
	if err := child(roles, text); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func child(roles Roles, text string) error {
	os.Unsetenv(childEnv) // a child may have children
	var t task
	if err := json.Unmarshal([]byte(text), &t); err != nil {
		return fmt.Errorf("process: %s: %w", childEnv, err)
	}
	role := roles[t.Role]
	if role == nil {
		return fmt.Errorf("process: no role %q", t.Role)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		io.Copy(io.Discard, os.Stdin) // until the parent closes it, or dies
		cancel()
	}()
	if err := role(ctx, t.Args); err != nil {
		return fmt.Errorf("process: %s: %w", t.Role, err)
	}
	return nil
}

// Say tells the parent one line, in one write: a killed child has said all of a line or
// none of it. It may be called from several goroutines. It panics where the line holds
// a line break, because then it would be two.
func Say(line string) {
	if strings.ContainsAny(line, "\r\n") {
		panic("process: a line break in a line")
	}
	// Where the parent is gone nobody listens, and ctx ends.
	os.Stdout.WriteString(line + "\n")
}
