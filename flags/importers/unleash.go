package importers

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/flags/targeting"
	"github.com/lumelle/adminkit/storage"
)

// VariantEnabled is the variant of an Unleash feature that is on without one of its own
// variants. It exists where that can happen.
const VariantEnabled = "enabled"

// What Unleash gives its clients, as far as it decides anything.
type (
	unleashState struct {
		Version  int               `json:"version"`
		Query    json.RawMessage   `json:"query"`
		Meta     json.RawMessage   `json:"meta"`
		Features []json.RawMessage `json:"features"`
		Segments []json.RawMessage `json:"segments"`
		Events   []json.RawMessage `json:"events"`
	}
	unleashEvent struct {
		EventID     int               `json:"eventId"`
		Type        string            `json:"type"`
		Feature     json.RawMessage   `json:"feature"`
		FeatureName string            `json:"featureName"`
		Project     string            `json:"project"`
		Segment     json.RawMessage   `json:"segment"`
		SegmentID   int               `json:"segmentId"`
		Features    []json.RawMessage `json:"features"`
		Segments    []json.RawMessage `json:"segments"`
	}
	unleashFeature struct {
		Name         string            `json:"name"`
		Type         string            `json:"type"`
		Description  *string           `json:"description"`
		Enabled      bool              `json:"enabled"`
		Project      string            `json:"project"`
		Stale        bool              `json:"stale"`
		Strategies   []json.RawMessage `json:"strategies"`
		Variants     []json.RawMessage `json:"variants"`
		Dependencies []json.RawMessage `json:"dependencies"`
	}
	unleashStrategy struct {
		ID          string             `json:"id"`
		Name        string             `json:"name"`
		Title       string             `json:"title"`
		SortOrder   float64            `json:"sortOrder"`
		Disabled    bool               `json:"disabled"`
		Parameters  map[string]any     `json:"parameters"`
		Constraints []json.RawMessage  `json:"constraints"`
		Segments    []int              `json:"segments"`
		Variants    *[]json.RawMessage `json:"variants"`
	}
	unleashVariant struct {
		Name       string            `json:"name"`
		Weight     float64           `json:"weight"`
		WeightType string            `json:"weightType"`
		Stickiness string            `json:"stickiness"`
		Payload    *unleashPayload   `json:"payload"`
		Overrides  []unleashOverride `json:"overrides"`
	}
	unleashPayload struct {
		Type  string `json:"type"`
		Value string `json:"value"`
	}
	unleashOverride struct {
		ContextName string   `json:"contextName"`
		Values      []string `json:"values"`
	}
	unleashSegment struct {
		ID          int               `json:"id"`
		Name        string            `json:"name"`
		Constraints []json.RawMessage `json:"constraints"`
	}
	unleashDependency struct {
		Feature  string   `json:"feature"`
		Enabled  *bool    `json:"enabled"`
		Variants []string `json:"variants"`
	}
)

// A part is a piece of the document and its place.
type part struct {
	data    json.RawMessage
	pointer string
}

// An unleash is the import of a document of Unleash.
type unleash struct {
	*importer
	// order are the names of the features as the document has them.
	order    []string
	features map[string]*feature
	segments map[int]targeting.Audience
	// audiences are those that something refers to.
	audiences map[string]bool
}

// A feature is one that was read, with its strategies as rules are made of them.
type feature struct {
	unleashFeature
	pointer    string
	strategies []strategy
	variants   []unleashVariant
}

// A strategy says for whom it is, and what those get.
type strategy struct {
	name       string
	when       targeting.Condition // zero for everybody
	variants   []unleashVariant
	group      string // the salt of the variants
	stickiness string
	pointer    string
}

// Unleash imports what Unleash gives its clients: an object with features and segments,
// or with the events of the delta API, or one that has such an object as its state. A
// document that is none is a *storage.InvalidError.
func Unleash(data []byte, opts Options) (Result, error) {
	m, err := newImporter(data, opts)
	if err != nil {
		return Result{}, err
	}
	root := part{data: data}
	var wrapped struct {
		State json.RawMessage `json:"state"`
	}
	if json.Unmarshal(data, &wrapped) == nil && len(wrapped.State) > 0 {
		root = part{wrapped.State, "/state"} // a file of the client specification
	}
	var state unleashState
	if json.Unmarshal(root.data, &state) != nil || state.Features == nil && state.Events == nil {
		return Result{}, storage.Invalid(root.pointer, "must be an object with features or events")
	}
	m.read(root.data, root.pointer, &state)
	u := &unleash{importer: m, features: map[string]*feature{}, segments: map[int]targeting.Audience{}, audiences: map[string]bool{}}
	features, segments := u.parts(state, root.pointer)
	if len(features) > MaxFlags {
		return Result{}, storage.Invalid(root.pointer, "must have at most "+strconv.Itoa(MaxFlags)+" features")
	}
	for _, s := range segments {
		u.readSegment(s)
	}
	for _, f := range features {
		u.readFeature(f)
	}
	for _, name := range u.order {
		u.flag = name
		u.convert(u.features[name])
	}
	for _, id := range u.segments {
		if u.audiences[id.Key] {
			u.result.Audiences = append(u.result.Audiences, id)
		}
	}
	return u.done(), nil
}

// parts returns the features and segments of a document, after its events.
func (u *unleash) parts(state unleashState, pointer string) (features, segments []part) {
	list := func(given []json.RawMessage, pointer string) (parts []part) {
		for i, data := range given {
			parts = append(parts, part{data, at(pointer, i)})
		}
		return parts
	}
	features, segments = list(state.Features, pointer+"/features"), list(state.Segments, pointer+"/segments")
	for i, data := range state.Events {
		here := at(pointer+"/events", i)
		var e unleashEvent
		if !u.read(data, here, &e) {
			continue
		}
		switch e.Type {
		case "hydration":
			features, segments = list(e.Features, here+"/features"), list(e.Segments, here+"/segments")
		case "feature-updated":
			features = append(without(features, nameOf(e.Feature)), part{e.Feature, here + "/feature"})
		case "feature-removed":
			features = without(features, e.FeatureName)
		case "segment-updated":
			segments = append(withoutID(segments, idOf(e.Segment)), part{e.Segment, here + "/segment"})
		case "segment-removed":
			segments = withoutID(segments, e.SegmentID)
		default:
			u.lose(here+"/type", "is not a known event and was left out")
		}
	}
	return features, segments
}

func nameOf(data json.RawMessage) string {
	var f struct {
		Name string `json:"name"`
	}
	_ = json.Unmarshal(data, &f) // what cannot be read has no name, and is told when it is read
	return f.Name
}

func idOf(data json.RawMessage) int {
	var s struct {
		ID int `json:"id"`
	}
	_ = json.Unmarshal(data, &s) // likewise
	return s.ID
}

func without(parts []part, name string) []part {
	return slices.DeleteFunc(parts, func(p part) bool { return nameOf(p.data) == name })
}

func withoutID(parts []part, id int) []part {
	return slices.DeleteFunc(parts, func(p part) bool { return idOf(p.data) == id })
}

func (u *unleash) readSegment(p part) {
	var s unleashSegment
	if !u.read(p.data, p.pointer, &s) {
		return
	}
	c := all(u.constraints(s.Constraints, p.pointer+"/constraints"))
	u.segments[s.ID] = targeting.Audience{Key: "unleash-segment-" + strconv.Itoa(s.ID), Description: s.Name, When: &c}
}

func (u *unleash) readFeature(p part) {
	f := &feature{pointer: p.pointer}
	u.flag = nameOf(p.data)
	if !u.read(p.data, p.pointer, &f.unleashFeature) {
		return
	}
	if u.features[f.Name] != nil {
		u.lose(p.pointer, "has the name of another feature and was left out")
		return
	}
	for i, data := range f.Variants {
		u.readVariant(&f.variants, data, at(p.pointer+"/variants", i))
	}
	for i, data := range f.Strategies {
		if s, ok := u.readStrategy(f, i, part{data, at(p.pointer+"/strategies", i)}); ok {
			f.strategies = append(f.strategies, s)
		}
	}
	if len(f.Strategies) == 0 {
		f.strategies = []strategy{{name: "everybody", variants: f.variants, group: f.Name, pointer: p.pointer}}
	}
	u.order, u.features[f.Name] = append(u.order, f.Name), f
}

func (u *unleash) readVariant(into *[]unleashVariant, data json.RawMessage, pointer string) {
	var v unleashVariant
	if !u.read(data, pointer, &v) {
		return
	}
	if v.Name == "" || v.Weight < 0 || v.Weight != float64(int32(v.Weight)) {
		u.lose(pointer, "has no name or no whole weight and was left out")
		return
	}
	*into = append(*into, v)
}

// readStrategy reads a strategy. Of several, each that holds switches the feature on.
func (u *unleash) readStrategy(f *feature, i int, p part) (strategy, bool) {
	var given unleashStrategy
	if !u.read(p.data, p.pointer, &given) {
		return strategy{}, false
	}
	if given.Disabled {
		u.lose(p.pointer+"/disabled", "a strategy that is switched off was left out")
		return strategy{}, false
	}
	s := strategy{name: strconv.Itoa(i+1) + "-" + given.Name, variants: f.variants, group: f.Name, pointer: p.pointer}
	var conditions []targeting.Condition
	for j, id := range given.Segments {
		segment, ok := u.segments[id]
		if !ok {
			u.lose(at(p.pointer+"/segments", j), "there is no such segment: the rule holds of nobody")
			conditions = append(conditions, never())
			continue
		}
		u.audiences[segment.Key] = true
		conditions = append(conditions, targeting.Condition{Audience: segment.Key})
	}
	conditions = append(conditions, u.constraints(given.Constraints, p.pointer+"/constraints")...)
	conditions = append(conditions, u.rollout(f, given, p.pointer)...)
	s.when = all(conditions)
	if given.Variants != nil && len(*given.Variants) > 0 {
		s.variants, s.group, s.stickiness = nil, u.group(f, given), parameter(given, "stickiness")
		for j, data := range *given.Variants {
			u.readVariant(&s.variants, data, at(p.pointer+"/variants", j))
		}
	}
	return s, true
}

// parameter returns a parameter of a strategy as a text.
func parameter(s unleashStrategy, name string) string {
	switch v := s.Parameters[name].(type) {
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return ""
}

// group returns what stands before the key that is hashed.
func (u *unleash) group(f *feature, s unleashStrategy) string {
	if group := parameter(s, "groupId"); group != "" {
		return group
	}
	return f.Name
}

// rollout returns what a strategy itself asks, beside its constraints.
func (u *unleash) rollout(f *feature, s unleashStrategy, pointer string) []targeting.Condition {
	pointer += "/parameters"
	share := func(name, stickiness string) []targeting.Condition {
		return u.share(f, s, name, stickiness, join(pointer, name))
	}
	switch s.Name {
	case "default":
		return nil
	case "userWithId":
		return []targeting.Condition{u.listed(u.attribute("userId"), targeting.In, split(parameter(s, "userIds")), pointer+"/userIds")}
	case "remoteAddress":
		return []targeting.Condition{u.listed(u.attribute("remoteAddress"), targeting.InCIDR, split(parameter(s, "IPs")), pointer+"/IPs")}
	case "gradualRolloutUserId":
		return share("percentage", "userId")
	case "gradualRolloutSessionId":
		return share("percentage", "sessionId")
	case "gradualRolloutRandom":
		return share("percentage", "random")
	case "flexibleRollout":
		stickiness := parameter(s, "stickiness")
		if stickiness == "" {
			stickiness = "default"
		}
		return share("rollout", stickiness)
	}
	u.lose(strings.TrimSuffix(pointer, "/parameters")+"/name", "the strategy "+strconv.Quote(s.Name)+" is not known: the rule holds of nobody")
	return []targeting.Condition{never()}
}

// split reads a list that is separated by commas.
func split(s string) []string {
	var list []string
	for item := range strings.SplitSeq(s, ",") {
		if item = strings.TrimSpace(item); item != "" {
			list = append(list, item)
		}
	}
	return list
}

// share returns the condition of a percentage.
func (u *unleash) share(f *feature, s unleashStrategy, name, stickiness, pointer string) []targeting.Condition {
	percent, err := strconv.Atoi(parameter(s, name))
	if err != nil {
		u.lose(pointer, "is not a whole percentage: the rule holds of nobody")
		return []targeting.Condition{never()}
	}
	percent = min(max(percent, 0), 100)
	if percent == 100 && (stickiness == "default" || stickiness == "random") {
		return nil // everybody, with a key or without
	}
	b := targeting.Bucket{By: u.keys(stickiness, false), Salt: u.group(f, s), Scheme: targeting.Unleash, To: float64(percent)}
	switch {
	case percent == 0:
	case stickiness == "random":
		u.lose(pointer, "is drawn anew on each read there; here the share sticks to the targeting key")
	case stickiness == "default":
		u.lose(pointer, "is drawn at random there for subjects without userId and sessionId; here their targeting key decides")
	}
	return []targeting.Condition{{Bucket: &b}}
}

// keys returns the attributes that a stickiness stands for. Where Unleash draws at
// random, the targeting key decides.
func (u *unleash) keys(stickiness string, variants bool) []string {
	names := []string{stickiness}
	switch {
	case stickiness == "random":
		return []string{flags.AttrTargetingKey}
	case stickiness == "" || stickiness == "default":
		names = []string{"userId", "sessionId"}
		if variants {
			names = append(names, "remoteAddress")
		}
	case !variants:
		return []string{u.attribute(stickiness)} // who has none is not in the share
	}
	for i, name := range names {
		names[i] = u.attribute(name)
	}
	if slices.Contains(names, flags.AttrTargetingKey) {
		return names
	}
	return append(names, flags.AttrTargetingKey)
}
