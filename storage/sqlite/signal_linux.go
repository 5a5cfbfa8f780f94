package sqlite

import (
	"context"
	"fmt"
	"os"
	"syscall"
)

// An inotify is the watcher for Linux, which reports each write to a file.
type inotify struct {
	events *os.File
	forget func() bool
	buffer [64 * (syscall.SizeofInotifyEvent + syscall.NAME_MAX + 1)]byte
}

var _ watcher = (*inotify)(nil)

// watch returns a watcher of the file at path. A system has a limited number of them;
// without one the file is looked at now and then.
func watch(ctx context.Context, path string) (watcher, error) {
	fd, err := syscall.InotifyInit1(syscall.IN_CLOEXEC | syscall.IN_NONBLOCK)
	if err != nil {
		return poll(ctx), nil
	}
	// IN_ATTRIB tells that a name of the file was removed.
	if _, err := syscall.InotifyAddWatch(fd, path, syscall.IN_MODIFY|syscall.IN_ATTRIB|syscall.IN_MOVE_SELF); err != nil {
		syscall.Close(fd)
		if err == syscall.ENOSPC {
			return poll(ctx), nil
		}
		return nil, fmt.Errorf("watch %s: %w", path, err)
	}
	w := &inotify{events: os.NewFile(uintptr(fd), "inotify")}
	w.forget = context.AfterFunc(ctx, func() { w.events.Close() })
	return w, nil
}

// wait implements watcher. What an event says does not matter: the file does.
func (w *inotify) wait() error {
	_, err := w.events.Read(w.buffer[:])
	return err
}

func (w *inotify) close() {
	w.forget()
	w.events.Close()
}
