package flagadmin

import (
	"encoding/json"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/flags/targeting"
)

// The documents of the surface, as openapi.json describes them.
type (
	flag struct {
		flags.Flag
		Revision  int64           `json:"revision"`
		Hash      string          `json:"hash"`
		Warnings  []flags.Warning `json:"warnings"`
		CreatedAt time.Time       `json:"created_at"`
		UpdatedAt time.Time       `json:"updated_at"`
	}

	audience struct {
		Key         string               `json:"key"`
		Description string               `json:"description"`
		By          []string             `json:"by"`
		Include     []string             `json:"include"`
		Exclude     []string             `json:"exclude"`
		When        *targeting.Condition `json:"when"`
		Revision    int64                `json:"revision"`
		Hash        string               `json:"hash"`
		CreatedAt   time.Time            `json:"created_at"`
		UpdatedAt   time.Time            `json:"updated_at"`
	}

	usedAudience struct {
		audience
		Users []string `json:"users"`
	}

	version struct {
		Revision int64     `json:"revision"`
		Hash     string    `json:"hash"`
		Action   string    `json:"action"`
		Reason   string    `json:"reason"`
		EventID  string    `json:"event_id"`
		Author   person    `json:"author"`
		At       time.Time `json:"at"`
		Deleted  bool      `json:"deleted"`
	}

	versionedFlag struct {
		version
		Flag flags.Flag `json:"flag"`
	}

	person struct {
		Type string `json:"type"`
		ID   string `json:"id"`
		Name string `json:"name"`
	}

	overrideInput struct {
		Environment string     `json:"environment"`
		ID          string     `json:"id"`
		Kind        string     `json:"kind"`
		Attribute   string     `json:"attribute"`
		Subject     string     `json:"subject"`
		Variant     string     `json:"variant"`
		Until       *time.Time `json:"until"`
		Reason      string     `json:"reason"`
	}

	explanation struct {
		Key          string          `json:"key"`
		Environment  string          `json:"environment"`
		Value        targeting.Value `json:"value"`
		Variant      string          `json:"variant"`
		Reason       flags.Reason    `json:"reason"`
		Rule         string          `json:"rule"`
		Version      int64           `json:"version"`
		ErrorCode    flags.ErrorCode `json:"error_code"`
		ErrorDetails string          `json:"error_details"`
		Trace        []flags.Step    `json:"trace"`
	}

	impact struct {
		Subjects  int      `json:"subjects"`
		Before    int      `json:"before"`
		After     int      `json:"after"`
		Added     []string `json:"added"`
		Removed   []string `json:"removed"`
		Changed   []string `json:"changed"`
		Truncated bool     `json:"truncated"`
	}

	differences struct {
		Key  string       `json:"key"`
		From int64        `json:"from"`
		To   int64        `json:"to"`
		Diff []difference `json:"diff"`
	}

	difference struct {
		Op     string          `json:"op"`
		Path   string          `json:"path"`
		Before json.RawMessage `json:"before,omitempty"`
		After  json.RawMessage `json:"after,omitempty"`
	}
)

func (a admin) flagOf(v flags.FlagVersion) flag {
	return flag{
		Flag: v.Flag, Revision: v.Revision, Hash: v.Hash, Warnings: orEmpty(flags.Warnings(v.Flag, a.now())),
		CreatedAt: v.CreatedAt, UpdatedAt: v.UpdatedAt,
	}
}

func audienceOf(v flags.AudienceVersion) audience {
	return audience{
		Key: v.Audience.Key, Description: v.Audience.Description, By: orEmpty(v.Audience.By), Include: orEmpty(v.Audience.Include),
		Exclude: orEmpty(v.Audience.Exclude), When: v.Audience.When,
		Revision: v.Revision, Hash: v.Hash, CreatedAt: v.CreatedAt, UpdatedAt: v.UpdatedAt,
	}
}

func (in audience) definition() targeting.Audience {
	return targeting.Audience{
		Key: in.Key, Description: in.Description, By: in.By, Include: in.Include, Exclude: in.Exclude, When: in.When,
	}
}

func versionOf(p flags.Provenance) version {
	return version{
		Revision: p.Revision, Hash: p.Hash, Action: p.Action, Reason: p.Comment, EventID: p.EventID, Author: personOf(p.Author),
		At: p.UpdatedAt, Deleted: p.Deleted,
	}
}

func personOf(a audit.Actor) person { return person{Type: a.Type, ID: a.ID, Name: a.Name} }

func (in overrideInput) override() flags.Override {
	return flags.Override{
		ID: in.ID, Kind: in.Kind, Attribute: in.Attribute, Subject: in.Subject, Variant: in.Variant, Until: in.Until, Reason: in.Reason,
	}
}

func explanationOf(key, environment string, x flags.Explanation) explanation {
	out := explanation{
		Key: key, Environment: environment, Value: x.Value, Variant: x.Variant, Reason: x.Reason, Rule: x.Rule, Version: x.Version,
		Trace: orEmpty(x.Steps),
	}
	if x.Err != nil {
		out.ErrorCode, out.ErrorDetails = x.Err.Code, x.Err.Message
	}
	return out
}

func impactOf(i flags.Impact) impact {
	return impact{
		Subjects: i.Subjects, Before: i.Before, After: i.After, Added: orEmpty(i.Added), Removed: orEmpty(i.Removed),
		Changed: orEmpty(i.Changed), Truncated: i.Truncated,
	}
}

// orEmpty makes a list that is not there one of no items, which is what its schema says.
func orEmpty[T any](all []T) []T {
	if all == nil {
		return []T{}
	}
	return all
}
