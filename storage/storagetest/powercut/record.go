package powercut

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/lumelle/adminkit/storage/storagetest/process"
)

// calls are the system calls that a recording holds. The question mark is for those that
// not every architecture has.
const calls = "?open,openat,?creat,write,pwrite64,?writev,?pwritev,?pwritev2,fsync,fdatasync,?sync_file_range,ftruncate,truncate," +
	"fallocate,?unlink,unlinkat,?rename,renameat,?renameat2,?link,linkat,?copy_file_range,?sendfile,mmap"

// maxText is the longest write that is recorded, in bytes. A longer one is an error.
const maxText = 16 << 20

// strace returns the arguments that record command into file.
func strace(file string, command ...string) []string {
	return append([]string{"strace", "-f", "-qq", "--seccomp-bpf", "-y", "-xx", "-e", "signal=none",
		"-s", fmt.Sprint(maxText), "-e", "trace=" + calls, "-o", file, "--"}, command...)
}

// Available reports why this machine cannot record, and nil where it can.
func Available() error {
	if runtime.GOOS != "linux" {
		return errors.New("powercut: recording needs Linux")
	}
	if _, err := exec.LookPath("strace"); err != nil {
		return fmt.Errorf("powercut: strace is not installed: %w", err)
	}
	dir, err := os.MkdirTemp("", "adminkit-powercut-")
	if err != nil {
		return fmt.Errorf("powercut: %w", err)
	}
	defer os.RemoveAll(dir)
	args := strace(filepath.Join(dir, "trace"), "true")
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("powercut: strace cannot trace here: %w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}

// Record runs a child process and records what it does to the files below dir, until it
// has said a number of lines; then it is asked to end, which is recorded too. What the
// directory holds at the beginning is taken as durable. It returns an error where the
// child ends before it has said enough.
func Record(dir string, child process.Config, lines int) (*Trace, error) {
	dir, err := filepath.Abs(dir)
	if err == nil {
		dir, err = filepath.EvalSymlinks(dir) // as the system names open files
	}
	if err != nil {
		return nil, fmt.Errorf("powercut: %w", err)
	}
	before, err := contents(dir)
	if err != nil {
		return nil, err
	}
	scratch, err := os.MkdirTemp("", "adminkit-powercut-")
	if err != nil {
		return nil, fmt.Errorf("powercut: %w", err)
	}
	defer os.RemoveAll(scratch)
	text := filepath.Join(scratch, "trace")
	if err := run(child, text, lines); err != nil {
		return nil, err
	}
	f, err := os.Open(text)
	if err != nil {
		return nil, fmt.Errorf("powercut: %w", err)
	}
	defer f.Close()
	t, err := Parse(f, dir)
	if err != nil {
		return nil, err
	}
	t.before = before
	return t, nil
}

func run(child process.Config, text string, lines int) error {
	wrap := child.Wrap
	child.Wrap = func(cmd *exec.Cmd) error {
		if wrap != nil {
			if err := wrap(cmd); err != nil {
				return err
			}
		}
		path, err := exec.LookPath("strace")
		if err != nil {
			return fmt.Errorf("powercut: %w", err)
		}
		args := strace(text, cmd.Path)
		cmd.Path, cmd.Args = path, append(args, cmd.Args[1:]...)
		return nil
	}
	p, err := process.Start(child)
	if err != nil {
		return err
	}
	for range lines {
		if _, err := p.Line(); err != nil {
			if err == io.EOF {
				err = errors.New("powercut: the child ended early")
			}
			return errors.Join(err, p.Stop())
		}
	}
	return p.Stop()
}

// contents reads the files below dir, by their names in it.
func contents(dir string) (map[string][]byte, error) {
	files := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		files[name], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("powercut: %w", err)
	}
	return files, nil
}
