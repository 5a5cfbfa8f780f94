package automationadmin

import (
	"context"
	"log/slog"
	"net/http"
	"slices"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/httpapi"
	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/listing"
)

// levels are those that runs can be asked for: every run has a level of at least info.
var levels = map[string]slog.Level{"": 0, "warn": slog.LevelWarn, "error": slog.LevelError}

func (a admin) listRuns(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
	q, err := runQuery(r)
	if err != nil {
		return err
	}
	page, err := a.service.Runs(r.Context(), who.Tenant, q)
	if err != nil {
		return err
	}
	httpapi.LinkNext(w, r, page.Next)
	return httpapi.WriteJSON(w, http.StatusOK, httpapi.ListOf(page, runOf))
}

// changeRuns returns what changes many runs.
func (a admin) changeRuns() httpapi.Bulk[automation.Run] {
	return httpapi.Bulk[automation.Run]{
		Of: automation.Runs(), ApprovalID: a.approvalID, Told: told,
		Page: func(ctx context.Context, tenant string, q listing.Query) (storage.Page[automation.Run], error) {
			return a.service.Runs(ctx, tenant, automation.RunQuery{Filters: q.Filters, Sort: q.Sort, After: q.After, Limit: q.Limit})
		},
		Actions: []httpapi.BulkAction{{Name: "cancel", Reasoned: true, Do: func(ctx context.Context, tenant, id, reason string) error {
			_, err := a.service.Cancel(ctx, tenant, id, reason)
			return err
		}}},
	}
}

// runQuery reads the filters of a list of runs.
func runQuery(r *http.Request) (automation.RunQuery, error) {
	var q automation.RunQuery
	asked, params, err := httpapi.ParseQuery(r, automation.Runs(), "rule_id", "status", "trigger", "event_type", "automation_environment",
		"step", "level", "since", "until")
	if err != nil {
		return q, err
	}
	q = automation.RunQuery{
		RuleID: params["rule_id"], Status: automation.Status(params["status"]), Trigger: params["trigger"], EventType: params["event_type"],
		Environment: params["automation_environment"], Step: params["step"],
		Filters: asked.Filters, Sort: asked.Sort, After: asked.After, Limit: asked.Limit,
	}
	if q.Status != "" && !slices.Contains(automation.Statuses(), q.Status) {
		return q, httpapi.BadRequest("status", "must be running, waiting, succeeded, failed, filtered, cancelled or timed_out")
	}
	if q.Trigger != "" && !slices.Contains(automation.Triggers(), q.Trigger) {
		return q, httpapi.BadRequest("trigger", "must be event or rerun")
	}
	level, ok := levels[params["level"]]
	if !ok {
		return q, httpapi.BadRequest("level", "must be warn or error")
	}
	q.Level = level
	if q.Since, err = params.Time("since"); err != nil {
		return q, err
	}
	q.Until, err = params.Time("until")
	return q, err
}

func (a admin) getRun(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
	id, err := httpapi.PathID(r, "id")
	if err != nil {
		return err
	}
	d, err := a.service.Run(r.Context(), who.Tenant, id)
	if err != nil {
		return err
	}
	return httpapi.WriteJSON(w, http.StatusOK, a.detailOf(r.Context(), who, d))
}

func (a admin) rerun(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
	id, err := httpapi.PathID(r, "id")
	if err != nil {
		return err
	}
	var in struct {
		Latest bool   `json:"latest"`
		Reason string `json:"reason"`
	}
	if err := httpapi.DecodeOptional(r, &in); err != nil {
		return err
	}
	if err := checkReason(in.Reason); err != nil {
		return err
	}
	run, err := a.service.Rerun(r.Context(), who.Tenant, id, in.Latest, in.Reason)
	if err != nil {
		return err
	}
	return httpapi.WriteJSON(w, http.StatusCreated, runOf(run))
}

func (a admin) cancel(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
	id, err := httpapi.PathID(r, "id")
	if err != nil {
		return err
	}
	var in struct {
		Reason string `json:"reason"`
	}
	if err := httpapi.DecodeOptional(r, &in); err != nil {
		return err
	}
	if err := checkReason(in.Reason); err != nil {
		return err
	}
	run, err := a.service.Cancel(r.Context(), who.Tenant, id, in.Reason)
	if err != nil {
		return err
	}
	return httpapi.WriteJSON(w, http.StatusOK, runOf(run))
}

func checkReason(reason string) error { return storage.CheckText("/reason", reason, audit.MaxReason) }
