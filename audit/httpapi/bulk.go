package httpapi

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/listing"
)

// MaxBulk is how many objects one request changes.
const MaxBulk = 100

// A Bulk changes many objects of a list in one request, each as if it stood alone: through
// its Service, with its own gate and its own record.
type Bulk[T any] struct {
	// Of is the list that a filter chooses from, and Page reads a page of it.
	Of   listing.List[T]
	Page func(ctx context.Context, tenant string, q listing.Query) (storage.Page[T], error)
	// Actions are what can be done to an object.
	Actions []BulkAction
	// ApprovalID is as in [Changing].
	ApprovalID func(err error) string
	// Told returns the problem of an error that the standard table does not know, and every
	// other as it is. Nil knows none.
	Told func(err error) error
}

// A BulkAction is one thing that can be done to an object.
type BulkAction struct {
	Name string
	// Reasoned actions take a reason; for others it is refused.
	Reasoned bool
	Do       func(ctx context.Context, tenant, id, reason string) error
}

type bulkInput struct {
	IDs    []string       `json:"ids"`
	Filter Conditions     `json:"filter"`
	Saved  string         `json:"saved"`
	After  storage.Cursor `json:"after"`
	Action string         `json:"action"`
	Reason string         `json:"reason"`
}

// What came of an object.
const (
	bulkDone     = "done"
	bulkAwaiting = "awaiting_approval"
	bulkRefused  = "refused"
	bulkFailed   = "failed"
	bulkUntried  = "not_tried"
)

type bulkItem struct {
	ID     string `json:"id"`
	Status string `json:"status"`
	// RequestID is the approval that the change waits for.
	RequestID string   `json:"request_id,omitzero"`
	Problem   *Problem `json:"problem,omitzero"`
}

// Handler returns the handler of POST .../bulk. Its body chooses objects by "ids", at most
// [MaxBulk], by "filter", as {"field":{"op":"value"}}, or by "saved", the id of a saved
// filter, and names an "action", with a "reason" where that takes one. The answer lists
// what came of each:
//
//	{"items":[{"id":"1","status":"done"},{"id":"2","status":"refused","problem":{...}}],"next":""}
//
// The status is done, awaiting_approval (with request_id), or refused with the problem that
// the object alone would have answered; none of them stops the others. A fault of our own
// does: that object has failed, and those behind it were not_tried. Under an
// Idempotency-Key all objects are one transaction, so that such a fault is the answer of
// the whole request, and nothing was changed.
//
// A filter changes the first MaxBulk objects it chooses, in the order of the list or of the
// saved filter, and next is the value of "after" that goes on behind them. One without a
// condition is refused.
func (b Bulk[T]) Handler(api *API) Handler {
	return func(w http.ResponseWriter, r *http.Request, who Identity) error {
		var in bulkInput
		if err := Decode(r, &in); err != nil {
			return err
		}
		action, err := b.action(in)
		if err != nil {
			return err
		}
		ids, next, err := b.chosen(r.Context(), who.Tenant, in)
		if err != nil {
			return err
		}
		whole := r.Header.Get("Idempotency-Key") != ""
		out := List[bulkItem]{Items: make([]bulkItem, len(ids)), Next: next}
		for i, id := range ids {
			item, err := b.do(r.Context(), who.Tenant, id, in.Reason, action)
			if err != nil && whole {
				return err
			}
			out.Items[i] = item
			if err != nil {
				api.logFault(r, item.Problem.Status, err)
				for j, rest := range ids[i+1:] {
					out.Items[i+1+j] = bulkItem{ID: rest, Status: bulkUntried}
				}
				break
			}
		}
		return WriteJSON(w, http.StatusOK, out)
	}
}

// action returns what the body asks for.
func (b Bulk[T]) action(in bulkInput) (BulkAction, error) {
	var bad *storage.InvalidError
	i := slices.IndexFunc(b.Actions, func(a BulkAction) bool { return a.Name == in.Action })
	if i < 0 {
		names := make([]string, len(b.Actions))
		for j, a := range b.Actions {
			names[j] = a.Name
		}
		return BulkAction{}, bad.Add("/action", "must be one of "+strings.Join(names, ", "))
	}
	if in.Reason != "" && !b.Actions[i].Reasoned {
		bad = bad.Add("/reason", "is not taken by this action")
	}
	if ways := count(in.IDs != nil) + count(in.Filter != nil) + count(in.Saved != ""); ways != 1 {
		bad = bad.Add("", "must have either ids or a filter, or name a saved one")
	}
	if in.IDs != nil && in.After != "" {
		bad = bad.Add("/after", "goes with a filter")
	}
	return b.Actions[i], bad.Err()
}

// chosen returns the ids of the objects to change, and where a filter goes on.
func (b Bulk[T]) chosen(ctx context.Context, tenant string, in bulkInput) (ids []string, next storage.Cursor, err error) {
	if in.IDs != nil {
		return in.IDs, "", checkIDs(in.IDs)
	}
	q, err := b.query(ctx, in)
	if err != nil {
		return nil, "", err
	}
	q.After, q.Limit = in.After, MaxBulk
	page, err := b.Page(ctx, tenant, q)
	if errors.Is(err, storage.ErrBadCursor) {
		p := ProblemOf(err)
		p.Errors[0].Pointer = "/after" // of the body, not of the query
		return nil, "", p
	}
	if err != nil {
		return nil, "", err
	}
	for _, item := range page.Items {
		ids = append(ids, b.Of.ID(item))
	}
	return ids, page.Next, nil
}

// query returns what chooses the objects, which has a condition.
func (b Bulk[T]) query(ctx context.Context, in bulkInput) (listing.Query, error) {
	if in.Saved != "" {
		q, err := savedQuery(ctx, b.Of.Name, in.Saved)
		switch {
		case errors.Is(err, errNoneSaved):
			return listing.Query{}, storage.Invalid("/saved", noneSaved)
		case err == nil && len(q.Filters) == 0:
			return listing.Query{}, storage.Invalid("/saved", "must have a condition")
		}
		return q, err
	}
	filters, err := in.Filter.Filters()
	if err == nil && len(filters) == 0 {
		err = storage.Invalid("/filter", "must have a condition")
	}
	return listing.Query{Filters: filters}, err
}

// count returns 1 for what is so.
func count(so bool) int {
	if so {
		return 1
	}
	return 0
}

// do changes one object and tells what came of it, with the error where that is a fault of
// our own.
func (b Bulk[T]) do(ctx context.Context, tenant, id, reason string, action BulkAction) (bulkItem, error) {
	err := action.Do(ctx, tenant, id, reason)
	if err == nil {
		return bulkItem{ID: id, Status: bulkDone}, nil
	}
	if refusal, ok := errors.AsType[audit.Refusal](err); ok && refusal.Refused() == audit.Pending {
		item := bulkItem{ID: id, Status: bulkAwaiting}
		if b.ApprovalID != nil {
			item.RequestID = b.ApprovalID(err)
		}
		return item, nil
	}
	if b.Told != nil {
		err = b.Told(err)
	}
	p := ProblemOf(err)
	if p.Status < http.StatusInternalServerError {
		return bulkItem{ID: id, Status: bulkRefused, Problem: p}, nil
	}
	return bulkItem{ID: id, Status: bulkFailed, Problem: p}, err
}

func checkIDs(ids []string) error {
	if len(ids) == 0 || len(ids) > MaxBulk {
		return storage.Invalid("/ids", "must name between 1 and "+strconv.Itoa(MaxBulk)+" objects")
	}
	var bad *storage.InvalidError
	seen := make(map[string]bool, len(ids))
	for i, id := range ids {
		pointer := "/ids/" + strconv.Itoa(i)
		if invalid, ok := errors.AsType[*storage.InvalidError](storage.CheckID(pointer, id)); ok {
			bad = bad.Add(pointer, invalid.Fields[0].Message)
		} else if seen[id] {
			bad = bad.Add(pointer, "is named twice")
		}
		seen[id] = true
	}
	return bad.Err()
}
