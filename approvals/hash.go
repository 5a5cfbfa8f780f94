package approvals

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/jcs"
	"github.com/lumelle/adminkit/storage"
)

// Hash returns what an approval of e is bound to: SHA-256, in hexadecimal, over the
// canonical JSON (RFC 8785) of the event's tenant, action, resource, payload and
// base revision. Names, reasons and times are outside of it.
//
// A payload that has no canonical form, because of duplicate keys or numbers that
// other readers would round, is a *storage.InvalidError.
func Hash(e audit.Event) (string, error) {
	return sum(struct {
		Tenant       string          `json:"tenant"`
		Action       string          `json:"action"`
		ResourceType string          `json:"resource_type"`
		ResourceID   string          `json:"resource_id"`
		Payload      json.RawMessage `json:"payload"`
		BaseRevision string          `json:"base_revision"`
	}{e.Tenant, e.Action, e.Resource.Type, e.Resource.ID, e.Payload, e.BaseRevision}, e.Payload)
}

// dedupeKey is equal for the same change asked for by the same person. The base
// revision is outside of it: who asks again after the resource moved means the same
// request, at a new revision.
func dedupeKey(e audit.Event) (string, error) {
	who := e.Subject()
	return sum(struct {
		Tenant       string          `json:"tenant"`
		Action       string          `json:"action"`
		ResourceType string          `json:"resource_type"`
		ResourceID   string          `json:"resource_id"`
		Payload      json.RawMessage `json:"payload"`
		ActorType    string          `json:"actor_type"`
		ActorID      string          `json:"actor_id"`
	}{e.Tenant, e.Action, e.Resource.Type, e.Resource.ID, e.Payload, who.Type, who.ID}, e.Payload)
}

// sum hashes the canonical form of v. The payload in it is checked by itself first,
// because json.Marshal would quietly compact what it is given.
func sum(v any, payload json.RawMessage) (string, error) {
	if payload != nil {
		if _, err := canonical(payload); err != nil {
			return "", err
		}
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("approvals: hash: %w", err)
	}
	c, err := canonical(raw)
	if err != nil {
		return "", err
	}
	h := sha256.Sum256(c)
	return hex.EncodeToString(h[:]), nil
}

// canonical returns the canonical form of a payload.
func canonical(payload []byte) ([]byte, error) {
	c, err := jcs.Canonicalize(payload)
	if err == nil {
		return c, nil
	}
	var bad *jcs.Error
	if errors.As(err, &bad) {
		return nil, storage.Invalid("/payload"+bad.Pointer, bad.Message)
	}
	return nil, fmt.Errorf("approvals: canonical form: %w", err)
}
