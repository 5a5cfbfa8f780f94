//go:build !linux

package sqlite_test

import "testing"

type tmpfs struct{ dir string }

func smallDisk(*testing.T) *tmpfs { return nil }

func (*tmpfs) resize(*testing.T, int) {}
