package automation

import (
	"log/slog"
	"slices"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/listing"
)

var ruleList = listing.List[Rule]{
	Name: "automation.rules",
	ID:   func(r Rule) string { return r.ID },
	Fields: []listing.Field[Rule]{
		listing.TextField("id", func(r Rule) string { return r.ID }),
		listing.TextField("name", func(r Rule) string { return r.Name }),
		listing.TextField("automation_environment", func(r Rule) string { return r.Environment }),
		listing.FlagField("enabled", func(r Rule) bool { return r.Enabled }),
		listing.IntegerField("version", func(r Rule) int64 { return int64(r.Version) }),
		listing.TimeField("created_at", func(r Rule) time.Time { return r.CreatedAt }).Sortable(),
		listing.TimeField("updated_at", func(r Rule) time.Time { return r.UpdatedAt }).Sortable(),
	},
	Sort: listing.Sort{Field: "created_at"},
}

var runList = listing.List[Run]{
	Name: "automation.runs",
	ID:   func(r Run) string { return r.ID },
	Fields: []listing.Field[Run]{
		listing.TextField("id", func(r Run) string { return r.ID }),
		listing.TextField("rule_id", func(r Run) string { return r.RuleID }),
		listing.IntegerField("rule_version", func(r Run) int64 { return int64(r.RuleVersion) }),
		listing.TextField("automation_environment", func(r Run) string { return r.Environment }),
		listing.WordField("status", Statuses(), func(r Run) Status { return r.Status }),
		listing.WordField("trigger", Triggers(), func(r Run) string { return r.Trigger }),
		listing.TextField("event_type", func(r Run) string { return r.EventType }),
		listing.TextField("parent_id", func(r Run) string { return r.ParentID }),
		listing.TextField("reason", func(r Run) string { return r.Reason }),
		listing.TextField("trace_id", func(r Run) string { return r.Trace.TraceID }),
		listing.TimeField("deadline_at", func(r Run) time.Time { return r.DeadlineAt }),
		// The one sort: each further index is a write more for every run.
		listing.TimeField("started_at", func(r Run) time.Time { return r.StartedAt }).Sortable(),
		listing.TimeField("updated_at", func(r Run) time.Time { return r.UpdatedAt }),
		listing.TimeField("ended_at", func(r Run) time.Time { return r.EndedAt }),
	},
	Sort: listing.Sort{Field: "started_at", Descending: true},
}

// Rules returns the declaration of the list of rules.
func Rules() listing.List[Rule] {
	l := ruleList
	l.Fields = slices.Clone(l.Fields)
	return l
}

// Runs returns the declaration of the list of runs. The rule and the status are what an
// index serves; other filters read through the tenant's runs in the order of the list until
// the page is full.
func Runs() listing.List[Run] {
	l := runList
	l.Fields = slices.Clone(l.Fields)
	return l
}

// A RuleQuery chooses rules, see [Rules].
type RuleQuery struct {
	Filters []listing.Filter
	Sort    listing.Sort
	After   storage.Cursor
	Limit   int
}

// Plan returns what a store goes by, or what is wrong with the query: errors are those of
// listing.List.Plan.
func (q RuleQuery) Plan(tenant string) (*listing.Plan[Rule], error) {
	return ruleList.Plan(listing.Query{Filters: q.Filters, Sort: q.Sort, After: q.After, Limit: q.Limit}, tenant)
}

// A RunQuery chooses runs, see [Runs]. Empty fields choose all.
type RunQuery struct {
	// RuleID, Status, Trigger, EventType and Environment are filters for what equals them.
	RuleID      string
	Status      Status
	Trigger     string
	EventType   string
	Environment string
	// Step chooses runs that reached the step of this path.
	Step string
	// Level chooses runs whose Level is at least this. Zero chooses all.
	Level slog.Level
	// Since and Until bound the start of the run: not before Since, before Until.
	Since, Until time.Time
	Filters      []listing.Filter
	Sort         listing.Sort
	After        storage.Cursor
	Limit        int
}

// Plan returns what a store goes by, or what is wrong with the query: errors are those of
// listing.List.Plan. Step, Level, Since and Until are no part of its conditions: the store
// looks after them, and the cursor is bound to them.
func (q RunQuery) Plan(tenant string) (*listing.Plan[Run], error) {
	filters := slices.Clone(q.Filters)
	for _, f := range []listing.Filter{
		listing.Is("rule_id", q.RuleID), listing.Is("status", string(q.Status)), listing.Is("trigger", q.Trigger),
		listing.Is("event_type", q.EventType), listing.Is("automation_environment", q.Environment),
	} {
		if f.Values[0] != "" {
			filters = append(filters, f)
		}
	}
	return runList.Plan(listing.Query{Filters: filters, Sort: q.Sort, After: q.After, Limit: q.Limit},
		tenant, q.Step, q.Level.String(), q.Since.UTC().Format(time.RFC3339Nano), q.Until.UTC().Format(time.RFC3339Nano))
}

// Next returns the cursor behind last, empty where the query has no plan.
func (q RunQuery) Next(tenant string, last Run) storage.Cursor {
	q.After = ""
	plan, err := q.Plan(tenant)
	if err != nil {
		return ""
	}
	return plan.Next(last)
}
