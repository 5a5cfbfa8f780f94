package approvals

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/flags/targeting"
	"github.com/lumelle/adminkit/storage"
)

// The codes of a [Stage]'s Reason.
const (
	// RoutedElsewhere: the condition of the stage certainly does not hold. It is skipped.
	RoutedElsewhere = "condition_false"
	// RoutedUndecided: the condition could not be decided. The stage is asked.
	RoutedUndecided = "condition_undecided"
	// RoutedNowhereElse: the condition does not hold, and neither does that of any other
	// stage. All of them are asked.
	RoutedNowhereElse = "no_stage_left"
)

// Route says which stages of its policy the content of r asks, and why, before anybody
// decided: every stage in order, [StagePending] or [StageSkipped]. It is a pure function.
// audiences are those of the tenant, nil where there are none.
//
// More people are asked rather than fewer. A stage is skipped only where its condition
// certainly does not hold, as targeting.Matcher.Decide says: not where the change lacks
// what the condition reads, has it in a kind that is not read, or where an audience is
// not known. And where the conditions would skip every stage, none is skipped.
//
// Conditions read JSON pointers into
//
//	{"tenant":..., "action":..., "resource":{"type","id"}, "requester":{"type","id","acting_as"},
//	 "base_revision":..., "payload":..., "metadata":...}
//
// which is what nobody can change without asking anew. A plain name, by which audiences
// ask everywhere, is a member of the metadata that the host gave the change, else one of
// the payload; "tenant" always is the tenant, and "merchantId" is where neither has it.
func Route(r Request, audiences *targeting.Library) []Stage {
	return routeOver(r, audiences, nil)
}

// routeOver is Route where the audiences may be out of reach.
func routeOver(r Request, audiences *targeting.Library, unread error) []Stage {
	stages := make([]Stage, len(r.Policy.Stages))
	subject := subjectOf(r)
	skipped := 0
	for i, rule := range r.Policy.Stages {
		stages[i] = Stage{Name: rule.Name, Status: StagePending, Required: rule.Required}
		if rule.When == nil {
			continue
		}
		answer, why := decideWhen(*rule.When, subject, audiences, unread)
		switch answer {
		case targeting.Undecided:
			stages[i].Reason = audit.Reason{Code: RoutedUndecided, Text: why}
		case targeting.HoldsNot:
			stages[i].Status, stages[i].Reason = StageSkipped, audit.Reason{Code: RoutedElsewhere, Text: whyNot(*rule.When)}
			skipped++
		}
	}
	if skipped < len(stages) {
		return stages
	}
	for i := range stages {
		stages[i].Status = StagePending
		stages[i].Reason = audit.Reason{Code: RoutedNowhereElse, Text: "asked all the same: no stage is for this change"}
	}
	return stages
}

// decideWhen decides a condition, and says in a sentence why it could not.
func decideWhen(c targeting.Condition, s targeting.Subject, audiences *targeting.Library, unread error) (targeting.Answer, string) {
	named := len(c.References().Audiences) > 0
	if named && unread != nil {
		return targeting.Undecided, "asked all the same: the audiences of its condition could not be read"
	}
	m, err := targeting.Compile(c, targeting.Options{Audiences: audiences})
	switch {
	case err != nil && named:
		return targeting.Undecided, "asked all the same: its condition names an audience that is not known"
	case err != nil: // a snapshot of a policy that other limits let pass
		return targeting.Undecided, "asked all the same: its condition is not valid"
	}
	return m.Decide(s), "asked all the same: the change does not say all that its condition reads"
}

// whyNot says in a sentence what does not hold.
func whyNot(c targeting.Condition) string {
	switch {
	case c.Audience != "":
		return fmt.Sprintf("the change is not of the audience %.64q", c.Audience)
	case c.Path != "" && !c.Value.IsZero() && c.Value.Kind() != targeting.KindList:
		return fmt.Sprintf("%.64s %s %.64s does not hold", c.Path, c.Op, c.Value)
	case c.Path != "":
		return fmt.Sprintf("%.64s %s does not hold", c.Path, c.Op)
	}
	return "its condition does not hold"
}

// route routes r over the audiences as they are in the transaction of ctx. Where these
// cannot be read and the transaction goes on, conditions over them are undecided.
func (s *Service) route(ctx context.Context, r *Request) ([]Stage, error) {
	if s.cfg.Audiences == nil || !slices.ContainsFunc(r.Policy.Stages, func(rule StageRule) bool {
		return rule.When != nil && len(rule.When.References().Audiences) > 0
	}) {
		return Route(*r, nil), nil
	}
	var library *targeting.Library
	err := s.tx.InTx(ctx, func(ctx context.Context) (err error) {
		library, err = s.cfg.Audiences(ctx, r.Tenant)
		return err
	})
	if err != nil && lost(err) {
		return nil, fmt.Errorf("approvals: read the audiences: %w", err)
	}
	return routeOver(*r, library, err), nil
}

// skips reports whether the i-th stage is skipped: one without a condition never is.
func (p Policy) skips(stages []Stage, i int) bool {
	return i < len(stages) && stages[i].Status == StageSkipped && p.Stages[i].When != nil
}

// A routedStage is a stage that a condition decided on, as the audit event tells it.
type routedStage struct {
	Name   string       `json:"name"`
	Status StageStatus  `json:"status"`
	Reason audit.Reason `json:"reason"`
}

func routed(stages []Stage) (all []routedStage) {
	for _, st := range stages {
		if st.Reason.Code != "" {
			all = append(all, routedStage{st.Name, st.Status, st.Reason})
		}
	}
	return all
}

// A subject is a request as conditions read it.
type subject struct {
	document targeting.Subject
	tenant   string
}

var _ targeting.Subject = subject{}

func subjectOf(r Request) subject {
	return subject{tenant: r.Tenant, document: targeting.Document(map[string]any{
		"tenant": r.Tenant, "action": r.Action, "base_revision": r.BaseRevision,
		"resource":  map[string]any{"type": r.Resource.Type, "id": r.Resource.ID},
		"requester": map[string]any{"type": r.Requester.Type, "id": r.Requester.ID, "acting_as": textOrNil(r.Requester.ActingAs)},
		"payload":   plain(r.Payload), "metadata": plain(r.Metadata),
	})}
}

// roots are what pointers of conditions may begin with.
var roots = []string{"/tenant", "/action", "/base_revision", "/resource/type", "/resource/id",
	"/requester/type", "/requester/id", "/requester/acting_as", "/payload", "/metadata"}

// Attribute implements targeting.Subject.
func (s subject) Attribute(path string) (targeting.Value, bool) {
	if strings.HasPrefix(path, "/") {
		return s.document.Attribute(path)
	}
	if path == "tenant" {
		return targeting.String(s.tenant), true
	}
	token := "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(path)
	for _, document := range []string{"/metadata", "/payload"} {
		if v, ok := s.document.Attribute(document + token); ok {
			return v, true
		}
	}
	return targeting.String(s.tenant), path == "merchantId"
}

// plain decodes JSON that has one meaning, nil where there is none.
func plain(raw json.RawMessage) (v any) {
	if raw == nil {
		return nil
	}
	clear, err := canonical(raw)
	if err != nil {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(clear))
	d.UseNumber()
	if d.Decode(&v) != nil {
		return nil
	}
	return v
}

// textOrNil keeps a text that is not there from being an empty one.
func textOrNil(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// checkWhen returns a condition as every store will keep it, and adds what is wrong with
// it. Whether there are the audiences that it names is for each tenant to say.
func checkWhen(given *targeting.Condition, at string, known bool, bad *storage.InvalidError) (*targeting.Condition, *storage.InvalidError) {
	add := func(err error) bool {
		if invalid, ok := errors.AsType[*targeting.InvalidError](err); ok {
			for _, f := range invalid.Fields {
				bad = bad.Add(at+f.Pointer, f.Message)
			}
		} else if err != nil {
			bad = bad.Add(at, "is not a condition")
		}
		return err != nil
	}
	raw, err := json.Marshal(given)
	if add(err) {
		return given, bad
	}
	c, err := targeting.ParseCondition(raw)
	if add(err) {
		return given, bad
	}
	reads := c.References()
	if len(reads.Audiences) > 0 && !known {
		return given, bad.Add(at, "names an audience, and Config.Audiences knows none")
	}
	if _, err := targeting.Compile(c, targeting.Options{Audiences: standIns(reads.Audiences)}); add(err) {
		return given, bad
	}
	for _, path := range reads.Paths {
		if !readable(path) {
			bad = bad.Add(at, "reads "+path+", which no request has")
		}
	}
	return &c, bad
}

// readable reports whether a request may have what a path leads to.
func readable(path string) bool {
	if !strings.HasPrefix(path, "/") {
		return true
	}
	return slices.ContainsFunc(roots, func(root string) bool { return path == root || strings.HasPrefix(path, root+"/") })
}

// standIns returns audiences of these keys, as far as they are keys, to compile a
// condition by itself.
func standIns(keys []string) *targeting.Library {
	all := make([]targeting.Audience, 0, len(keys))
	for _, key := range keys {
		if _, err := targeting.NewLibrary([]targeting.Audience{{Key: key}}, targeting.Options{}); err == nil {
			all = append(all, targeting.Audience{Key: key})
		}
	}
	library, err := targeting.NewLibrary(all, targeting.Options{})
	if err != nil {
		return nil
	}
	return library
}

// AudienceUsers names the policies whose stages name an audience: "approval policy
// <name>", or "the default approval policy". It is what flags.Config.InUse wants to know,
// so that no audience is deleted that routes approvals. Policies are those of every
// tenant. Requests that are waiting need the audience no more: whom they ask was settled
// when they were submitted, and a revision of one that cannot find it asks more people.
func (s *Service) AudienceUsers(_ context.Context, _, audience string) ([]string, error) {
	var users []string
	for _, name := range slices.Sorted(maps.Keys(s.cfg.Policies)) {
		if !slices.ContainsFunc(s.cfg.Policies[name].Stages, func(rule StageRule) bool {
			return rule.When != nil && slices.Contains(rule.When.References().Audiences, audience)
		}) {
			continue
		}
		if name == "" {
			users = append(users, "the default approval policy")
		} else {
			users = append(users, "approval policy "+name)
		}
	}
	return users, nil
}
