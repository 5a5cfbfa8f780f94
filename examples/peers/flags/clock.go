package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// cpu returns the CPU time that the process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // it does not fail for the process itself
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// A cost is what one operation takes.
type cost struct{ nanoseconds, allocations float64 }

// costOf runs an operation on some goroutines for at least a while of CPU time and
// returns what one takes.
func costOf(goroutines int, op func(n int)) cost {
	const least = 20 * time.Millisecond
	runtime.GC()
	for n := 1; ; n *= 2 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := cpu()
		var all sync.WaitGroup
		for range goroutines {
			all.Go(func() { op(n) })
		}
		all.Wait()
		used := cpu() - start
		if used >= least {
			runtime.ReadMemStats(&after)
			ops := float64(n * goroutines)
			return cost{float64(used) / ops, float64((after.Mallocs - before.Mallocs) / uint64(ops))}
		}
	}
}

// machine describes where the figures were measured, with the latency of fsync in the
// directory for temporary files.
func machine() string {
	model := "unknown"
	if f, err := os.Open("/proc/cpuinfo"); err == nil {
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			if name, ok := strings.CutPrefix(lines.Text(), "model name"); ok {
				model = strings.TrimSpace(strings.TrimLeft(name, "\t :"))
				break
			}
		}
	}
	load := "unknown"
	if b, err := os.ReadFile("/proc/loadavg"); err == nil {
		load = strings.Fields(string(b))[0]
	}
	return fmt.Sprintf("machine: %s, %d CPUs, load %s, %s, fsync %s", model, runtime.NumCPU(), load, runtime.Version(), fsync())
}

func fsync() time.Duration {
	f, err := os.CreateTemp(filepath.Clean(os.TempDir()), "fsync")
	if err != nil {
		return 0
	}
	defer os.Remove(f.Name())
	defer f.Close()
	var all []float64
	for range 20 {
		start := time.Now()
		if _, err := f.Write([]byte("x")); err != nil || f.Sync() != nil {
			return 0
		}
		all = append(all, float64(time.Since(start)))
	}
	return time.Duration(median(all)).Round(time.Microsecond)
}
