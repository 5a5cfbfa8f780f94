package sqlite

import (
	"fmt"
	"log/slog"
	"runtime/debug"
)

// The driver is SQLite's C code translated to Go, and every release of it is translated
// for one release of its libc. A host's go.mod may ask for another libc all the same:
// libc promises nobody that the two still fit.
const (
	driverModule, driverVersion = "modernc.org/sqlite", "v1.61.1"
	libcModule, libcVersion     = "modernc.org/libc", "v1.79.0"
)

// mismatch says how the driver that a program was built with differs from the pair that
// the kit was tested with. It is empty where nothing does, or nothing is known.
func mismatch(info *debug.BuildInfo) string {
	found := map[string]string{}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		found[m.Path] = m.Version
	}
	driver, libc := found[driverModule], found[libcModule]
	if driver == driverVersion && libc == libcVersion || driver == "" && libc == "" {
		return ""
	}
	return fmt.Sprintf("%s %s with %s %s instead of %s with %s",
		driverModule, driver, libcModule, libc, driverVersion, libcVersion)
}

// warnOfBuild tells the operator of a driver that nobody has tested.
func warnOfBuild(logger *slog.Logger) {
	if info, ok := debug.ReadBuildInfo(); ok {
		if found := mismatch(info); found != "" {
			logger.Warn("sqlite: the program was built with an untested driver", "found", found)
		}
	}
}
