package httpapi

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/lumelle/adminkit/storage"
)

const (
	// MaxBody is the longest body that is read, in bytes.
	MaxBody = 1 << 20
	// MaxDepth is how deep a body may nest.
	MaxDepth = 64
)

// Decode reads the JSON body of r into v. What cannot be read is a 400 problem that
// points at the first place; a body that is too long is 413, one that is not JSON by
// its Content-Type 415, and so is one in a Content-Encoding.
func Decode(r *http.Request, v any) error {
	if ct := r.Header.Get("Content-Type"); ct != "" {
		t, _, err := mime.ParseMediaType(ct)
		if err != nil || (t != "application/json" && !strings.HasSuffix(t, "+json")) {
			return NewProblem(http.StatusUnsupportedMediaType, "unsupported_media_type", "The body must be application/json.")
		}
	}
	body, err := ReadBody(r)
	if err != nil {
		return err
	}
	return Unmarshal(body, v)
}

// CheckEncoding refuses a body in a Content-Encoding with a 415 problem: what it unpacks
// to would have no limit.
func CheckEncoding(r *http.Request) error {
	for _, encoding := range r.Header.Values("Content-Encoding") {
		if encoding != "" && !strings.EqualFold(encoding, "identity") {
			p := NewProblem(http.StatusUnsupportedMediaType, "unsupported_encoding", "The body must be sent as it is, without a Content-Encoding.")
			p.Header = map[string]string{"Accept-Encoding": "identity"}
			p.Errors = []storage.FieldError{{Pointer: "Content-Encoding", Message: "must be identity or left out"}}
			return p
		}
	}
	return nil
}

// ReadBody reads the body of r, at most [MaxBody] bytes and as [CheckEncoding] has it.
func ReadBody(r *http.Request) ([]byte, error) {
	if err := CheckEncoding(r); err != nil {
		return nil, err
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, MaxBody))
	if err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return nil, NewProblem(http.StatusRequestEntityTooLarge, "too_large", "The body is longer than 1 MiB.")
		}
		return nil, BadRequest("", "could not be read to its end")
	}
	return body, nil
}

// Unmarshal reads JSON by the rules of [Decode].
func Unmarshal(body []byte, v any) error {
	if len(bytes.TrimSpace(body)) == 0 {
		return BadRequest("", "must not be empty")
	}
	if err := checkDepth(body); err != nil {
		return err
	}
	err := json.Unmarshal(body, v, json.RejectUnknownMembers(true))
	if err == nil {
		return nil
	}
	if syntactic, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		if errors.Is(err, jsontext.ErrDuplicateName) {
			return BadRequest(string(syntactic.JSONPointer), "is given twice")
		}
		return BadRequest(string(syntactic.JSONPointer), "is not valid JSON")
	}
	if semantic, ok := errors.AsType[*json.SemanticError](err); ok {
		if errors.Is(err, json.ErrUnknownName) {
			return BadRequest(string(semantic.JSONPointer), "is not a known field")
		}
		p := BadRequest(string(semantic.JSONPointer), "has the wrong type or form")
		p.Cause = err // a type that reads its own JSON may have said more
		return p
	}
	if invalid, ok := errors.AsType[*storage.InvalidError](err); ok {
		return invalid
	}
	return BadRequest("", "could not be read")
}

// checkDepth walks the tokens once, so that no type ever sees a bomb.
func checkDepth(body []byte) error {
	depth := 0
	inString, escaped := false, false
	for _, c := range body {
		switch {
		case escaped:
			escaped = false
		case inString:
			switch c {
			case '\\':
				escaped = true
			case '"':
				inString = false
			}
		case c == '"':
			inString = true
		case c == '{' || c == '[':
			if depth++; depth > MaxDepth {
				return BadRequest("", "is nested deeper than 64 levels")
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return nil
}

// WriteJSON answers v with a status.
func WriteJSON(w http.ResponseWriter, status int, v any) error {
	return write(w, status, "application/json", v)
}

func write(w http.ResponseWriter, status int, contentType string, v any) error {
	b, err := json.Marshal(v, json.Deterministic(true), jsontext.EscapeForHTML(true))
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, err = w.Write(append(b, '\n'))
	return err
}
