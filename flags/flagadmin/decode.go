package flagadmin

import (
	"errors"
	"net/http"

	"github.com/go-json-experiment/json"

	"github.com/lumelle/adminkit/audit/httpapi"
	"github.com/lumelle/adminkit/flags/targeting"
	"github.com/lumelle/adminkit/storage"
)

// decode reads a body that holds definitions. What a condition, a split or an audience
// says of its own JSON is pointed to from the whole body.
func decode(r *http.Request, v any) error {
	err := httpapi.Decode(r, v)
	refused, ok := errors.AsType[*targeting.InvalidError](err)
	if !ok {
		return err
	}
	at := ""
	if semantic, ok := errors.AsType[*json.SemanticError](err); ok {
		at = string(semantic.JSONPointer)
	}
	var invalid *storage.InvalidError
	for _, f := range refused.Fields {
		invalid = invalid.Add(at+f.Pointer, f.Message)
	}
	return invalid.Err()
}

// sameKey fills in a key that a body leaves out, and refuses one that is not that of
// the path.
func sameKey(pointer string, inBody *string, inPath string) error {
	if *inBody != "" && *inBody != inPath {
		return storage.Invalid(pointer, "is not the key in the path")
	}
	*inBody = inPath
	return nil
}

// inDraft points from the body into the draft for what is wrong there.
func inDraft(err error) error {
	invalid, ok := errors.AsType[*storage.InvalidError](err)
	if !ok {
		return err
	}
	var moved *storage.InvalidError
	for _, f := range invalid.Fields {
		if f.Pointer != "" && f.Pointer != "/environment" {
			f.Pointer = "/draft" + f.Pointer
		}
		moved = moved.Add(f.Pointer, f.Message)
	}
	return moved.Err()
}
