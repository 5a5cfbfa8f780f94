package casbinengine

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/casbin/govaluate"

	"github.com/lumelle/adminkit/authz"
	"github.com/lumelle/adminkit/storage"
)

// ModelConfig adjusts an Engine of a model of the host's own.
type ModelConfig struct {
	// Rows hold in every tenant, before the tenant's own.
	Rows []authz.Row
	// Request returns the values of the model's r, in order. By default each token is
	// taken by its name: sub and subject are the subject's key ("user:sam"), dom,
	// domain and tenant the tenant, act and action the action, obj, object and
	// resource the resource's key, type and id the resource's, attr the [Attributes].
	Request func(r authz.Request) ([]any, error)
	// Functions are what the matcher may call beside casbin's functions and
	// attr(r.attr, "/payload/amount").
	Functions map[string]func(args ...any) (any, error)
	// Ruleless lets the model decide without any row. By default a tenant without
	// policy is denied everything, whatever the model's effect says.
	Ruleless bool
}

// NewWithModel makes an Engine of any casbin model with one request and one policy
// definition. Its decisions are those of casbin's Enforcer. Where the model has a
// column eft, rules of effect needs_approval and step_up add that demand to what is
// allowed.
func NewWithModel(store authz.Store, text string, config ModelConfig) (*Engine, error) {
	if store == nil {
		return nil, errors.New("casbinengine: no store")
	}
	def, err := define(text)
	if err != nil {
		return nil, err
	}
	e := &Engine{
		store:     store,
		def:       def,
		base:      slices.Clone(config.Rows),
		request:   config.Request,
		functions: map[string]govaluate.ExpressionFunction{},
		ruleless:  config.Ruleless,
		known:     map[string]*snapshot{},
	}
	for name, fn := range maps.All(config.Functions) {
		if fn == nil {
			return nil, fmt.Errorf("casbinengine: function %q is nil", name)
		}
		e.functions[name] = fn
	}
	if e.request == nil {
		if e.request, err = def.requestByName(); err != nil {
			return nil, err
		}
	}
	if err := def.checkRows(e.base); err != nil {
		return nil, fmt.Errorf("casbinengine: ModelConfig.Rows: %w", err)
	}
	if err := e.compileShared(); err != nil {
		return nil, err
	}
	return e, nil
}

// requestByName takes each token of r by what its name says.
func (d *definition) requestByName() (func(authz.Request) ([]any, error), error) {
	get := make([]func(r *authz.Request) any, len(d.requestTokens))
	for token, place := range d.requestTokens {
		switch token[len("r_"):] {
		case "sub", "subject":
			get[place] = func(r *authz.Request) any { return r.Subject.Key() }
		case "dom", "domain", "tenant":
			get[place] = func(r *authz.Request) any { return r.Tenant }
		case "act", "action":
			get[place] = func(r *authz.Request) any { return r.Action }
		case "obj", "object", "resource":
			get[place] = func(r *authz.Request) any { return r.Resource.Key() }
		case "type":
			get[place] = func(r *authz.Request) any { return r.Resource.Type }
		case "id":
			get[place] = func(r *authz.Request) any { return r.Resource.ID }
		case "attr":
			get[place] = func(r *authz.Request) any { return Attributes{r} }
		default:
			return nil, fmt.Errorf("casbinengine: the request token %q needs ModelConfig.Request", token[len("r_"):])
		}
	}
	return func(r authz.Request) ([]any, error) {
		values := make([]any, len(get))
		for i, fn := range get {
			values[i] = fn(&r)
		}
		return values, nil
	}, nil
}

// checkRows wants of each row the columns that its definition has.
func (d *definition) checkRows(rows []authz.Row) error {
	var bad *storage.InvalidError
	for i, row := range rows {
		pointer := fmt.Sprintf("/add/%d", i)
		want := 0
		switch g, ok := d.roles[row.Kind]; {
		case row.Kind == kindRule:
			want = len(d.policyTokens)
		case ok:
			want = g.columns
		default:
			bad = bad.Add(pointer+"/kind", "is not defined by the model")
			continue
		}
		if len(row.Values) != want {
			bad = bad.Add(pointer+"/values", fmt.Sprintf("must have %d columns", want))
		}
		for j, v := range row.Values {
			if !utf8.ValidString(v) || slices.Contains([]byte(v), 0) {
				bad = bad.Add(fmt.Sprintf("%s/values/%d", pointer, j), "must be UTF-8 without a NUL")
			}
		}
	}
	return bad.Err()
}
