package powercut

import (
	"bytes"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A Trace is what a child did to the files of a directory, and said.
type Trace struct {
	before map[string][]byte
	ops    []op
}

// An op is one operation, or nothing.
type op struct {
	kind   kind
	name   string
	offset int64 // of a write; the new size of a truncation
	data   []byte
	began  int // where a sync began: what was written since is not covered
}

type kind int

const (
	none kind = iota
	create
	write
	truncate
	remove
	sync
	mapped
	said
)

// atEnd is the offset of a write that appends.
const atEnd = -1

// Said returns the lines that the child said, up to the end of the recording.
func (t *Trace) Said() []string {
	var text []byte
	for _, o := range t.ops {
		if o.kind == said {
			text = append(text, o.data...)
		}
	}
	return wholeLines(text)
}

func wholeLines(text []byte) []string {
	end := bytes.LastIndexByte(text, '\n')
	if end < 0 {
		return nil
	}
	return strings.Split(string(text[:end]), "\n")
}

// A Cut is what is left when the power fails at one moment.
type Cut struct {
	// Said are the lines that the child had begun to say by then.
	Said []string
	// At is the moment: how many calls had been made.
	At int
	// Partial tells that content which was not durable yet is there in part. It is
	// missing altogether where Partial is false.
	Partial bool

	files map[string][]byte
}

// String describes the cut in a few words.
func (c *Cut) String() string {
	left := "durable content only"
	if c.Partial {
		left = "some of the rest too"
	}
	return fmt.Sprintf("cut after %d calls and %d lines, %s", c.At, len(c.Said), left)
}

// Files returns the content of the files, by their names in the directory.
func (c *Cut) Files() map[string][]byte { return maps.Clone(c.files) }

// Restore writes the files into a directory, which should be empty.
func (c *Cut) Restore(dir string) error {
	for name, data := range c.files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return fmt.Errorf("powercut: %w", err)
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			return fmt.Errorf("powercut: %w", err)
		}
	}
	return nil
}

// Cuts yields n power cuts in the order of their moments, which the seed chooses. They
// are partial in turn.
func (t *Trace) Cuts(n int, seed uint64) iter.Seq[*Cut] {
	return func(yield func(*Cut) bool) {
		r := rand.New(rand.NewPCG(seed, 0))
		moments := make([]int, n)
		for i := range moments {
			moments[i] = r.IntN(len(t.ops) + 1)
		}
		slices.Sort(moments)
		d := newDisk(t.before)
		at := 0
		for i, moment := range moments {
			for ; at < moment; at++ {
				d.do(at, t.ops[at])
			}
			partial := i%2 == 1
			cut := &Cut{Said: wholeLines(d.said), At: at, Partial: partial, files: d.left(partial, r)}
			if !yield(cut) {
				return
			}
		}
	}
}
