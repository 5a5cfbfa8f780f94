package powercut

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"slices"
)

// A disk is the state of the files at one moment.
type disk struct {
	files map[string]*file
	said  []byte
}

// A file is what is durable of it, and what was done since.
type file struct {
	durable []byte
	pending []change
	size    int64 // as its program sees it
	mapped  bool
}

// A change is a write or a truncation that is not durable yet.
type change struct {
	op
	at int // its place among the operations
}

func newDisk(before map[string][]byte) *disk {
	d := &disk{files: map[string]*file{}}
	for name, data := range before {
		d.files[name] = &file{durable: bytes.Clone(data), size: int64(len(data))}
	}
	return d
}

// do makes the operation at its place.
func (d *disk) do(at int, o op) {
	switch o.kind {
	case none:
		return
	case said:
		d.said = append(d.said, o.data...)
		return
	case remove:
		delete(d.files, o.name)
		return
	}
	f := d.files[o.name]
	if f == nil {
		if o.kind == sync { // of a directory, or of a file that was removed
			return
		}
		f = &file{}
		d.files[o.name] = f
	}
	switch o.kind {
	case write:
		if o.offset == atEnd {
			o.offset = f.size
		}
		f.size = max(f.size, o.offset+int64(len(o.data)))
		f.pending = append(f.pending, change{o, at})
	case truncate:
		f.size = o.offset
		f.pending = append(f.pending, change{o, at})
	case sync:
		kept := f.pending[:0]
		for _, c := range f.pending {
			if c.at >= o.began {
				kept = append(kept, c)
				continue
			}
			f.durable = c.apply(f.durable)
		}
		f.pending = kept
	case mapped:
		f.mapped = true
	}
}

// apply makes the change to content, which it may reuse.
func (c change) apply(content []byte) []byte {
	if c.kind == truncate {
		return resize(content, c.offset)
	}
	if end := c.offset + int64(len(c.data)); end > int64(len(content)) {
		content = resize(content, end)
	}
	copy(content[c.offset:], c.data)
	return content
}

// resize cuts content, or fills it with zeros.
func resize(content []byte, size int64) []byte {
	if size <= int64(len(content)) {
		return content[:size]
	}
	return append(content, make([]byte, size-int64(len(content)))...)
}

// sector is what a disk writes at once.
const sector = 512

// left returns what a power cut leaves of the files.
func (d *disk) left(partial bool, r *rand.Rand) map[string][]byte {
	files := map[string][]byte{}
	for _, name := range slices.Sorted(maps.Keys(d.files)) { // so that a seed gives the same again
		f := d.files[name]
		if f.mapped {
			continue
		}
		content := bytes.Clone(f.durable)
		for _, c := range f.pending {
			if !partial || r.IntN(2) == 0 {
				continue
			}
			if c.kind == write && r.IntN(5) == 0 {
				c.data = c.data[:r.IntN(len(c.data)/sector+1)*sector]
			}
			content = c.apply(content)
		}
		files[name] = content
	}
	return files
}
