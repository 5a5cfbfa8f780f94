package secrets

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// OpenFile returns the Keys in a file, and makes the file with fresh ones where there
// is none. Of several processes that start at once, one makes it and all read the
// same. A file that others than its owner may read is refused.
func OpenFile(path string) (*Keys, error) {
	keys, err := readFile(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return keys, err
	}
	if keys, err = Generate(); err != nil {
		return nil, err
	}
	// A link fails where the name is taken, unlike a rename: the first process wins.
	err = keys.write(path, os.Link)
	if errors.Is(err, fs.ErrExist) {
		return readFile(path)
	}
	if err != nil {
		return nil, err
	}
	return keys, nil
}

func readFile(path string) (*Keys, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read keys: %w", err)
	}
	// Windows has no such bits; its files belong to their owner by inheritance.
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("read keys: %s is open to others (mode %04o): run chmod 600", path, info.Mode().Perm())
	}
	if info.Size() > maxKeys {
		return nil, fmt.Errorf("read keys: %s is too long", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read keys: %w", err)
	}
	keys, err := Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return keys, nil
}

// SaveFile replaces the file with these keys. A crash leaves the old file or the new
// one, never a part.
func (k *Keys) SaveFile(path string) error { return k.write(path, os.Rename) }

// write makes a temporary file beside path, durable, and lets publish give it its
// name.
func (k *Keys) write(path string, publish func(from, to string) error) (err error) {
	text, err := k.Text()
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".keys-*") // mode 0600
	if err != nil {
		return fmt.Errorf("write keys: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write keys: %w", err)
	}
	if err := publish(f.Name(), path); err != nil {
		return fmt.Errorf("write keys: %w", err)
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes the new name durable too.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // directories cannot be synced there
	}
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("write keys: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("write keys: %w", err)
	}
	return nil
}
