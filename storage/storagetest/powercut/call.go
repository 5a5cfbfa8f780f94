package powercut

import (
	"encoding/hex"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
)

// A call is one finished system call.
type call struct {
	name   string
	args   []arg
	result int64
	opened string // the path of the descriptor that it returned
	err    error  // the first argument that was not what it should be
}

// An arg is one argument: text as it stands, the path of a descriptor, or a string.
type arg struct {
	text   string // but for strings
	path   string // in angle brackets behind a descriptor
	data   []byte // of a string
	quoted bool   // it is a string
}

// parseCall reads NAME(ARG, ...) = RESULT.
func parseCall(s string) (*call, error) {
	name, rest, ok := strings.Cut(s, "(")
	if !ok {
		return nil, fmt.Errorf("no call in %.60q", s)
	}
	c := &call{name: name}
	for {
		rest = strings.TrimLeft(rest, " ")
		if end, found := strings.CutPrefix(rest, ")"); found {
			return c, c.end(end)
		}
		a, left, err := parseArg(rest)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		c.args = append(c.args, a)
		rest = strings.TrimPrefix(left, ",")
		if rest == "" {
			return nil, fmt.Errorf("%s: it has no end", name)
		}
	}
}

// end reads what follows the arguments.
func (c *call) end(s string) error {
	_, s, ok := strings.Cut(s, "= ")
	if !ok {
		return fmt.Errorf("%s: it has no result", c.name)
	}
	digits, _, _ := strings.Cut(s, " ")
	digits, path, opened := strings.Cut(digits, "<")
	n, err := strconv.ParseInt(digits, 0, 64)
	if err != nil { // "?": it was interrupted, or its process ended
		n = -1
	}
	c.result = n
	if opened {
		data, err := unhex(strings.TrimSuffix(path, ">"))
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		c.opened = string(data)
	}
	return nil
}

// parseArg reads one argument and returns what follows it.
func parseArg(s string) (a arg, rest string, err error) {
	if quoted, ok := strings.CutPrefix(s, `"`); ok {
		text, rest, ok := strings.Cut(quoted, `"`)
		if !ok {
			return a, "", fmt.Errorf("a string without an end")
		}
		if strings.HasPrefix(rest, "...") {
			return a, "", fmt.Errorf("a string of which only %d bytes were recorded", len(text)/4)
		}
		a.data, err = unhex(text)
		a.quoted = true
		return a, rest, err
	}
	depth := 0
	end := len(s)
scan:
	for i := range len(s) {
		switch s[i] {
		case '[', '{', '(':
			depth++
		case ']', '}':
			depth--
		case ')':
			if depth == 0 {
				end = i
				break scan
			}
			depth--
		case ',':
			if depth == 0 {
				end = i
				break scan
			}
		}
	}
	a.text, rest = s[:end], s[end:]
	if number, path, ok := strings.Cut(a.text, "<"); ok {
		path, gone, _ := strings.Cut(path, ">")
		data, err := unhex(path)
		if err != nil {
			return a, "", err
		}
		a.text = number
		if gone == "" { // else "(deleted)": what is done to it is lost anyway
			a.path = string(data)
		}
	}
	return a, rest, nil
}

// unhex reads the \x61\x62 that strace -xx makes of text.
func unhex(s string) ([]byte, error) {
	data, err := hex.DecodeString(strings.ReplaceAll(s, `\x`, ""))
	if err != nil {
		return nil, fmt.Errorf("%.20q is not in hexadecimal digits, as of strace -xx", s)
	}
	return data, nil
}

// at returns an argument, and remembers where it is missing.
func (c *call) at(i int) arg {
	if i < len(c.args) {
		return c.args[i]
	}
	c.fail(i)
	return arg{}
}

func (c *call) fail(i int) {
	if c.err == nil {
		c.err = fmt.Errorf("%s: argument %d is not understood", c.name, i+1)
	}
}

func (c *call) number(i int) int64 {
	n, err := strconv.ParseInt(c.at(i).text, 0, 64)
	if err != nil || n < 0 {
		c.fail(i)
	}
	return n
}

// written returns what a write has written, which may be less than it was given.
func (c *call) written() ([]byte, error) {
	data := c.data(1)
	if c.result > int64(len(data)) {
		return nil, fmt.Errorf("%s: %d bytes, of which %d were recorded", c.name, c.result, len(data))
	}
	return data[:c.result], nil
}

func (c *call) fdPath(i int) string { return c.at(i).path }

func (c *call) data(i int) []byte {
	a := c.at(i)
	if !a.quoted {
		c.fail(i)
	}
	return a.data
}

// path returns a path argument, from a directory where it is relative.
func (c *call) path(i int, dir string) string {
	path := string(c.data(i))
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	return path
}
