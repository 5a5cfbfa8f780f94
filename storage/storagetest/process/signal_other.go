//go:build !unix

package process

import "os"

// killed reports whether a process ended because it was killed, which looks like any
// failure here.
func killed(s *os.ProcessState) bool { return !s.Success() }
