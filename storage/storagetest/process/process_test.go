package process_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lumelle/adminkit/storage/storagetest/process"
)

func TestMain(m *testing.M) {
	process.Main(process.Roles{
		"counter": counter,
		"failing": func(context.Context, []string) error { return errors.New("own reason") },
		"polite": func(ctx context.Context, args []string) error {
			process.Say(strings.Join(args, "+"))
			<-ctx.Done()
			return nil
		},
		"parent": parent,
	})
	goleak.VerifyTestMain(m)
}

// counter says its numbers until it is killed or asked to end.
func counter(ctx context.Context, _ []string) error {
	for n := 1; ctx.Err() == nil; n++ {
		process.Say(fmt.Sprint(n))
	}
	return nil
}

// parent has a child of its own and tells its id.
func parent(ctx context.Context, _ []string) error {
	p, err := process.Start(process.Config{Role: "polite", Args: []string{"a"}})
	if err != nil {
		return err
	}
	if _, err := p.Line(); err != nil {
		return err
	}
	process.Say(fmt.Sprint(p.ID()))
	<-ctx.Done()
	return p.Stop()
}

func start(t *testing.T, role string, args ...string) *process.Process {
	t.Helper()
	p, err := process.Start(process.Config{Role: role, Args: args})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Kill() })
	return p
}

func TestAKilledChildHasSaidWholeLinesOnly(t *testing.T) {
	for range 5 {
		lines, err := start(t, "counter").KillAfter(5 * time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range lines {
			if line != fmt.Sprint(i+1) {
				t.Fatalf("line %d is %q", i+1, line)
			}
		}
	}
}

func TestAChildThatEndsByItselfIsNoKill(t *testing.T) {
	if _, err := start(t, "failing").KillAfter(time.Minute); err == nil || !strings.Contains(err.Error(), "own reason") {
		t.Errorf("a child that fails: %v, want its reason", err)
	}
	p, err := process.Start(process.Config{Role: "polite", Wrap: func(cmd *exec.Cmd) error {
		// As its own shell would end a child that says something first.
		cmd.Path, cmd.Args = "/bin/sh", []string{"sh", "-c", "echo said; exit 3"}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if lines, err := p.KillAfter(time.Minute); err == nil || len(lines) != 1 {
		t.Errorf("a child that ends after a line: %q, %v; want an error", lines, err)
	}
}

func TestAChildEndsWhenItIsAskedTo(t *testing.T) {
	p := start(t, "polite", "a", "b c")
	if line, err := p.Line(); line != "a+b c" || err != nil {
		t.Errorf("the child said %q, %v", line, err)
	}
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
	if _, err := p.Line(); err != io.EOF {
		t.Errorf("after its end: %v, want io.EOF", err)
	}
}

func TestAChildThatNobodyListensToCanBeStopped(t *testing.T) {
	p := start(t, "counter") // which fills the pipe
	if _, err := p.Line(); err != nil {
		t.Fatal(err)
	}
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
}

func TestARoleThatNobodyHasIsAnError(t *testing.T) {
	if err := start(t, "nobody").Stop(); err == nil || !strings.Contains(err.Error(), `no role "nobody"`) {
		t.Errorf("Stop = %v", err)
	}
	if _, err := process.Start(process.Config{}); err == nil {
		t.Error("a child without a role was started")
	}
}
