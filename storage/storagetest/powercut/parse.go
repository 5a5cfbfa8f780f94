package powercut

import (
	"bufio"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Parse reads what strace has written with -f -y -xx about one process and its threads,
// and keeps what concerns the files below dir and the lines on standard output. It
// returns an error, with the number of the line, for calls on those files that cannot be
// replayed, and for text that is not strace's.
func Parse(r io.Reader, dir string) (*Trace, error) {
	p := &parser{dir: filepath.Clean(dir), waiting: map[string]started{}, appends: map[string]bool{}}
	lines := bufio.NewReaderSize(r, 1<<16)
	for number := 1; ; number++ {
		line, err := lines.ReadString('\n')
		if err == io.EOF {
			break // a line that was cut short was never finished
		}
		if err != nil {
			return nil, fmt.Errorf("powercut: %w", err)
		}
		if err := p.line(strings.TrimSuffix(line, "\n")); err != nil {
			return nil, fmt.Errorf("powercut: line %d: %w", number, err)
		}
	}
	return &Trace{ops: p.ops}, nil
}

// A parser turns lines into operations.
type parser struct {
	dir     string
	ops     []op
	waiting map[string]started // calls that have begun, by thread
	appends map[string]bool    // files that were opened to append
}

// A started call was interrupted by another thread's line.
type started struct {
	text string
	at   int // its place among the operations
}

// maxSize is the largest offset in a file that can be replayed, in bytes: files are kept
// in memory.
const maxSize = 1 << 30

func tooLarge(name string) error { return fmt.Errorf("%s is larger than %d bytes", name, maxSize) }

// stdout is the descriptor of the lines.
const stdout = 1

const (
	unfinished = " <unfinished ...>"
	resumed    = " resumed>"
)

// line takes one line in: a call, its beginning or its end.
func (p *parser) line(s string) error {
	thread, rest, ok := strings.Cut(s, " ")
	if _, err := strconv.Atoi(thread); !ok || err != nil {
		return fmt.Errorf("no thread in %.60q", s)
	}
	rest = strings.TrimLeft(rest, " ")
	switch {
	case strings.HasPrefix(rest, "+++"), strings.HasPrefix(rest, "---"): // an end, a signal
		return nil
	case strings.HasSuffix(rest, unfinished):
		p.waiting[thread] = started{strings.TrimSuffix(rest, unfinished), len(p.ops)}
		p.ops = append(p.ops, op{}) // a place for what counts from its beginning
		return nil
	case strings.HasPrefix(rest, "<... "):
		begun, ok := p.waiting[thread]
		_, end, is := strings.Cut(rest, resumed)
		if !ok || !is {
			return fmt.Errorf("the end of a call that has not begun: %.60q", rest)
		}
		delete(p.waiting, thread)
		return p.call(begun.text+end, begun.at)
	}
	p.ops = append(p.ops, op{})
	return p.call(rest, len(p.ops)-1)
}

// call takes in a whole call, which began at a place among the operations. A line counts
// from its beginning, everything else from its end.
func (p *parser) call(text string, began int) error {
	c, err := parseCall(text)
	if err != nil {
		return err
	}
	o := op{}
	if c.result >= 0 {
		if o, err = p.op(c, began); err == nil {
			err = c.err
		}
		if err != nil {
			return err
		}
	}
	switch last := began == len(p.ops)-1; {
	case o.kind == none && last:
		p.ops = p.ops[:began]
	case o.kind == said || last:
		p.ops[began] = o
	case o.kind != none:
		p.ops = append(p.ops, o)
	}
	return nil
}

// op returns the operation that a call is, and the zero one where it concerns none of
// our files.
func (p *parser) op(c *call, began int) (op, error) {
	switch c.name {
	case "open", "openat", "creat":
		return p.open(c)
	case "unlink":
		return p.named(op{kind: remove, name: c.path(0, "")})
	case "unlinkat":
		return p.named(op{kind: remove, name: c.path(1, c.fdPath(0))})
	case "fsync", "fdatasync":
		return p.named(op{kind: sync, name: c.fdPath(0), began: began})
	case "ftruncate":
		o, err := p.named(op{kind: truncate, name: c.fdPath(0), offset: c.number(1)})
		if err == nil && o.offset > maxSize {
			err = tooLarge(o.name)
		}
		return o, err
	case "pwrite64":
		return p.write(c, c.number(3))
	case "write":
		if c.number(0) == stdout {
			data, err := c.written()
			return op{kind: said, data: data}, err
		}
		if name, ours := p.ours(c.fdPath(0)); ours && !p.appends[name] {
			return op{}, fmt.Errorf("a write to %s at an offset that nobody sees: open it to append, or write at offsets", name)
		}
		return p.write(c, atEnd)
	case "mmap":
		if strings.Contains(c.at(2).text, "PROT_WRITE") && strings.Contains(c.at(3).text, "MAP_SHARED") {
			return p.named(op{kind: mapped, name: c.fdPath(4)})
		}
		return op{}, nil
	}
	for _, a := range c.args { // a call that cannot be replayed
		name, ours := p.ours(a.path)
		if !ours && a.quoted {
			name, ours = p.ours(string(a.data))
		}
		if ours {
			return op{}, fmt.Errorf("%s of %s cannot be replayed", c.name, name)
		}
	}
	return op{}, nil
}

// ours returns the name of a path below the directory.
func (p *parser) ours(path string) (name string, ok bool) {
	if !filepath.IsAbs(path) {
		return "", false
	}
	name, err := filepath.Rel(p.dir, path)
	if err != nil || name == "." || name == ".." || strings.HasPrefix(name, ".."+string(filepath.Separator)) {
		return "", false
	}
	return name, true
}

// named makes the path of o a name, and drops it where the file is not ours.
func (p *parser) named(o op) (op, error) {
	name, ok := p.ours(o.name)
	if !ok {
		return op{}, nil
	}
	o.name = name
	return o, nil
}

func (p *parser) write(c *call, offset int64) (op, error) {
	name, ok := p.ours(c.fdPath(0))
	if !ok {
		return op{}, nil
	}
	data, err := c.written()
	if err == nil && offset > maxSize {
		err = tooLarge(name)
	}
	return op{kind: write, name: name, offset: offset, data: data}, err
}

// open notes how a file was opened. The system tells its name with the descriptor.
func (p *parser) open(c *call) (op, error) {
	name, ok := p.ours(c.opened)
	if !ok {
		return op{}, nil
	}
	flags := "O_CREAT|O_TRUNC" // of creat
	if i := map[string]int{"open": 1, "openat": 2}[c.name]; i > 0 && len(c.args) > i {
		flags = c.args[i].text
	}
	has := func(flag string) bool { return slices.Contains(strings.Split(flags, "|"), flag) }
	p.appends[name] = has("O_APPEND")
	switch {
	case has("O_TRUNC"):
		return op{kind: truncate, name: name}, nil
	case has("O_CREAT"):
		return op{kind: create, name: name}, nil
	}
	return op{}, nil
}
