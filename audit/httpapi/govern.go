package httpapi

import (
	"context"
	"errors"
	"net/http"

	"github.com/lumelle/adminkit/audit"
)

// Reading puts authorize before a handler that only reads. Nil allows. authorize answers
// an *audit.DeniedError for whoever may not.
func Reading(authorize func(ctx context.Context, who Identity) error, h Handler) Handler {
	if authorize == nil {
		return h
	}
	return func(w http.ResponseWriter, r *http.Request, who Identity) error {
		if err := authorize(r.Context(), who); err != nil {
			return err
		}
		return h(w, r, who)
	}
}

// awaiting is the answer to a change that waits for approval.
type awaiting struct {
	Status    string `json:"status"`
	RequestID string `json:"request_id"`
}

// Changing answers 202 for a change of h that waits for approval, with
// {"status":"awaiting_approval","request_id":""}. The attempt is on record then, and so
// is the request for approval, which approvalID names from the error; nil names none.
func Changing(approvalID func(err error) string, h Handler) Handler {
	return func(w http.ResponseWriter, r *http.Request, who Identity) error {
		err := h(w, r, who)
		refusal, ok := errors.AsType[audit.Refusal](err)
		if !ok || refusal.Refused() != audit.Pending {
			return err
		}
		out := awaiting{Status: "awaiting_approval"}
		if approvalID != nil {
			out.RequestID = approvalID(err)
		}
		return WriteJSON(w, http.StatusAccepted, out)
	}
}
