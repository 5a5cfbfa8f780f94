//go:build !linux

package sqlite

import "context"

// watch returns a watcher of a file.
func watch(ctx context.Context, _ string) (watcher, error) { return poll(ctx), nil }
