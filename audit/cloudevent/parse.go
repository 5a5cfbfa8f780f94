package cloudevent

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/lumelle/adminkit/audit/jcs"
	"github.com/lumelle/adminkit/storage"
)

// Limits of what is read.
const (
	// MaxBatch is the longest batch in events.
	MaxBatch = 1000
	// maxExtensions bounds the extensions of one event.
	maxExtensions = 64
)

// Parse reads one structured CloudEvent in JSON. What is wrong is a
// *storage.InvalidError with pointers into the document. JSON that package jcs
// refuses, as for a key that stands twice, is refused here too.
func Parse(doc []byte) (Envelope, error) {
	canonical, err := jcs.Canonicalize(doc)
	if err != nil {
		return Envelope{}, addJSON(nil, "", err).Err()
	}
	return parse(canonical)
}

// ParseBatch reads a batch: a JSON array of structured CloudEvents, at most
// [MaxBatch] of them. One bad event refuses the batch; its pointers begin with its
// place.
func ParseBatch(doc []byte) ([]Envelope, error) {
	canonical, err := jcs.Canonicalize(doc)
	if err != nil {
		return nil, addJSON(nil, "", err).Err()
	}
	var docs []json.RawMessage
	if err := json.Unmarshal(canonical, &docs); err != nil || docs == nil {
		return nil, storage.Invalid("", "must be an array of CloudEvents")
	}
	if len(docs) > MaxBatch {
		return nil, storage.Invalid("", fmt.Sprintf("must not hold more than %d events", MaxBatch))
	}
	envelopes := make([]Envelope, len(docs))
	var bad *storage.InvalidError
	for i, doc := range docs {
		envelopes[i], err = parse(doc)
		if fields, ok := errors.AsType[*storage.InvalidError](err); ok {
			for _, f := range fields.Fields {
				bad = bad.Add("/"+strconv.Itoa(i)+f.Pointer, f.Message)
			}
		}
	}
	if err := bad.Err(); err != nil {
		return nil, err
	}
	return envelopes, nil
}

// parse reads a structured CloudEvent that is in canonical form.
func parse(doc []byte) (Envelope, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(doc, &members); err != nil || members == nil {
		return Envelope{}, storage.Invalid("", "must be a JSON object")
	}
	r := reader{members: members}
	v := Envelope{
		ID: r.required(attrID), Source: r.required(attrSource), Type: r.required(attrType),
		Subject: r.text(attrSubject), DataSchema: r.text(attrDataSchema), DataContentType: r.text(attrDataContentType),
		Extensions: map[string]string{},
	}
	if version := r.required(attrSpecVersion); version != "" && version != specVersion {
		r.bad = r.bad.Add("/specversion", "must be 1.0")
	}
	if at := r.text(attrTime); at != "" {
		var err error
		if v.Time, err = parseTime(at); err != nil {
			r.bad = r.bad.Add("/time", "must be a time of RFC 3339")
		}
	}
	v.Data = r.data(v.DataContentType)
	if len(members) > maxExtensions {
		r.bad = r.bad.Add("", "has too many attributes")
		members = nil
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if value, ok := r.extension(name); ok {
			v.Extensions[name] = value
		}
	}
	if err := r.bad.Err(); err != nil {
		return Envelope{}, err
	}
	if err := v.check(); err != nil {
		return Envelope{}, err
	}
	return v, nil
}

// A reader takes the members of an event apart. A member that is null is absent.
type reader struct {
	members map[string]json.RawMessage
	bad     *storage.InvalidError
}

// take removes a member and returns it, nil where it is absent.
func (r *reader) take(name string) json.RawMessage {
	raw := r.members[name]
	delete(r.members, name)
	if string(raw) == "null" {
		return nil
	}
	return raw
}

func (r *reader) required(name string) string {
	if _, ok := r.members[name]; !ok {
		r.bad = r.bad.Add("/"+name, "is required")
		return ""
	}
	if string(r.members[name]) == "null" {
		r.bad = r.bad.Add("/"+name, "must not be null")
	}
	return r.text(name)
}

// text takes a member that is a text and, where it is present, not an empty one.
func (r *reader) text(name string) string {
	raw := r.take(name)
	if raw == nil {
		return ""
	}
	var s string
	switch err := json.Unmarshal(raw, &s); {
	case err != nil:
		r.bad = r.bad.Add("/"+name, "must be a string")
	case s == "":
		r.bad = r.bad.Add("/"+name, "must not be empty")
	}
	return s
}

// data takes data or data_base64.
func (r *reader) data(contentType string) []byte {
	_, both := r.members["data"]
	encoded, plain := r.take("data_base64"), r.take("data")
	switch {
	case encoded != nil && both:
		r.bad = r.bad.Add("/data_base64", "must not stand beside data")
	case encoded != nil:
		var s string
		err := json.Unmarshal(encoded, &s)
		data, err2 := base64.StdEncoding.DecodeString(s)
		if err != nil || err2 != nil {
			r.bad = r.bad.Add("/data_base64", "must be a string in base64")
		}
		return data
	case plain != nil && !isJSON(contentType):
		// Text of another type stands in a JSON string; anything else is JSON itself.
		var s string
		if json.Unmarshal(plain, &s) == nil {
			return []byte(s)
		}
	}
	return plain
}

// extension takes an extension: a string, a boolean or an integer of 32 bits.
func (r *reader) extension(name string) (string, bool) {
	raw := r.take(name)
	if raw == nil {
		return "", false
	}
	switch raw[0] {
	case '"':
		var s string
		if err := json.Unmarshal(raw, &s); err != nil {
			r.bad = r.bad.Add("/"+name, "must be a string")
		}
		// An extension without text says no more than an absent one.
		return s, s != ""
	case 't', 'f':
		return string(raw), true
	}
	if _, err := strconv.ParseInt(string(raw), 10, 32); err == nil {
		return string(raw), true
	}
	r.bad = r.bad.Add("/"+name, "must be a string, a boolean or an integer of 32 bits")
	return "", false
}

// addJSON adds the error of package jcs about the document at pointer.
func addJSON(bad *storage.InvalidError, pointer string, err error) *storage.InvalidError {
	if e, ok := errors.AsType[*jcs.Error](err); ok {
		return bad.Add(pointer+e.Pointer, e.Message)
	}
	return bad.Add(pointer, "must be JSON")
}
