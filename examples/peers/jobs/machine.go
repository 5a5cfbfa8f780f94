package main

import (
	"fmt"
	"os"
	"runtime"
	"time"
)

// machine names what the figures depend on: cores, Go, and what a durable write costs.
func machine() string {
	return fmt.Sprintf("machine os=%s arch=%s cores=%d go=%s fsync=%s", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version(), fsync())
}

// fsync returns the median time of a write of 4 KiB that is waited for.
func fsync() time.Duration {
	f, err := os.CreateTemp("", "peers-fsync")
	if err != nil {
		return 0
	}
	defer os.Remove(f.Name())
	defer f.Close()
	var took []float64
	for range 200 {
		began := time.Now()
		if _, err := f.WriteAt(make([]byte, 4096), 0); err != nil || f.Sync() != nil {
			return 0
		}
		took = append(took, float64(time.Since(began)))
	}
	return time.Duration(median(took)).Round(time.Microsecond)
}
