//go:build unix

package process

import (
	"fmt"
	"os"
	"syscall"
)

// Pause stops the child where it stands, as a machine that is suspended does. It does
// not know of it. Only on Unix.
func (p *Process) Pause() error { return p.signal(syscall.SIGSTOP) }

// Continue lets a paused child go on. Only on Unix.
func (p *Process) Continue() error { return p.signal(syscall.SIGCONT) }

func (p *Process) signal(s syscall.Signal) error {
	if err := p.cmd.Process.Signal(s); err != nil {
		return fmt.Errorf("process: %w", err)
	}
	return nil
}

// killed reports whether a process ended because it was killed.
func killed(s *os.ProcessState) bool {
	status, ok := s.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}
