package customprovider

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/flags/targeting"
)

// A FlagFile answers flags from a JSON file that an operator edits, and follows the
// file. One that cannot be read leaves the flags as they were.
type FlagFile struct {
	path    string
	current atomic.Pointer[set]
	stop    context.CancelFunc
	done    sync.WaitGroup
}

var (
	_ flags.FlagProvider = (*FlagFile)(nil)
	_ flags.BulkProvider = (*FlagFile)(nil)
)

// The document of a [FlagFile] is flags by tenant and key.
type fileFlag struct {
	// Values are the variants by name.
	Values map[string]any `json:"values"`
	// Serve is the variant for those whom no rule takes, empty for the reader's default.
	Serve string `json:"serve,omitempty"`
	// Off switches the flag off; then OffServe is served.
	Off      bool       `json:"off,omitempty"`
	OffServe string     `json:"off_serve,omitempty"`
	Rules    []fileRule `json:"rules,omitempty"`
}

// A fileRule takes those whose attribute is one of a list, and everybody without one.
type fileRule struct {
	Name      string   `json:"name"`
	Attribute string   `json:"attribute,omitempty"`
	Is        []string `json:"is,omitempty"`
	// Serve is a variant; HalfOn and HalfOff are two, which each serve one half.
	Serve   string `json:"serve,omitempty"`
	HalfOn  string `json:"half_on,omitempty"`
	HalfOff string `json:"half_off,omitempty"`
}

// A set is what a file said. Nobody changes it: a new file is a new set.
type set struct {
	content []byte
	version int64
	stale   bool
	tenants map[string]map[string]*compiled
}

// A compiled flag has its values ready.
type compiled struct {
	fileFlag
	values map[string]targeting.Value
}

// OpenFlagFile reads a file of flags and looks every so often whether it changed.
// Close ends that.
func OpenFlagFile(path string, every time.Duration) (*FlagFile, error) {
	if every <= 0 {
		return nil, errors.New("customprovider: how often a file of flags is read must be positive")
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	first, err := parse(content, 1)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	f := &FlagFile{path: path, stop: stop}
	f.current.Store(first)
	f.done.Go(func() { f.follow(ctx, every) })
	return f, nil
}

// Close ends the following of the file. Flags go on being answered.
func (f *FlagFile) Close() {
	f.stop()
	f.done.Wait()
}

// follow replaces the set when the file says something else.
func (f *FlagFile) follow(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			f.current.Store(f.read(f.current.Load()))
		}
	}
}

// read returns the set of the file, which is the last one where nothing changed, and
// the last one marked as stale where the file cannot be read.
func (f *FlagFile) read(last *set) *set {
	content, err := os.ReadFile(f.path)
	if err == nil && bytes.Equal(content, last.content) {
		return last.marked(false)
	}
	if err == nil {
		if next, err := parse(content, last.version+1); err == nil {
			return next
		}
	}
	return last.marked(true)
}

func (s *set) marked(stale bool) *set {
	if s.stale == stale {
		return s
	}
	other := *s
	other.stale = stale
	return &other
}

// parse reads a document and refuses what would only fail when a flag is read.
func parse(content []byte, version int64) (*set, error) {
	var document map[string]map[string]fileFlag
	d := json.NewDecoder(bytes.NewReader(content))
	d.DisallowUnknownFields()
	d.UseNumber() // as it was written: no detour over float64
	if err := d.Decode(&document); err != nil {
		return nil, fmt.Errorf("customprovider: the file of flags: %w", err)
	}
	s := &set{content: content, version: version, tenants: map[string]map[string]*compiled{}}
	for tenant, flags := range document {
		s.tenants[tenant] = map[string]*compiled{}
		for key, f := range flags {
			c := &compiled{f, map[string]targeting.Value{"": {}}}
			for variant, value := range f.Values {
				v, err := targeting.Of(value)
				if err != nil || v.IsZero() {
					return nil, fmt.Errorf("customprovider: %s/%s: the value of %s is none", tenant, key, variant)
				}
				c.values[variant] = v
			}
			for _, variant := range f.serves() {
				if _, ok := c.values[variant]; !ok {
					return nil, fmt.Errorf("customprovider: %s/%s serves %q, which has no value", tenant, key, variant)
				}
			}
			s.tenants[tenant][key] = c
		}
	}
	return s, nil
}

// serves returns every variant that a flag may serve.
func (f fileFlag) serves() []string {
	all := []string{f.Serve, f.OffServe}
	for _, r := range f.Rules {
		all = append(all, r.Serve, r.HalfOn, r.HalfOff)
	}
	return all
}

// Evaluate implements flags.FlagProvider.
func (f *FlagFile) Evaluate(_ context.Context, key string, s *flags.Subject) flags.Evaluation {
	if s == nil {
		return failed(flags.CodeInvalidContext, "there is no subject")
	}
	return f.current.Load().evaluate(key, s)
}

// EvaluateAll implements flags.BulkProvider.
func (f *FlagFile) EvaluateAll(_ context.Context, s *flags.Subject, yield func(key string, e flags.Evaluation) bool) (int64, error) {
	if s == nil {
		return 0, failed(flags.CodeInvalidContext, "there is no subject").Err
	}
	current := f.current.Load()
	for _, key := range slices.Sorted(maps.Keys(current.tenants[s.Tenant])) {
		if !yield(key, current.evaluate(key, s)) {
			break
		}
	}
	return current.version, nil
}

func (s *set) evaluate(key string, subject *flags.Subject) flags.Evaluation {
	f, ok := s.tenants[subject.Tenant][key]
	if !ok {
		return failed(flags.CodeFlagNotFound, "the file has no such flag for this tenant")
	}
	ev := f.decide(key, subject)
	if ev.Err == nil {
		ev.Value, ev.Version = f.values[ev.Variant], s.version
		if s.stale {
			ev.Reason = flags.ReasonStale
		}
	}
	return ev
}

// decide chooses the variant.
func (f *compiled) decide(key string, subject *flags.Subject) flags.Evaluation {
	if f.Off {
		return flags.Evaluation{Variant: f.OffServe, Reason: flags.ReasonDisabled}
	}
	for _, r := range f.Rules {
		switch {
		case !r.takes(subject):
		case r.HalfOn == "":
			return flags.Evaluation{Variant: r.Serve, Rule: r.Name, Reason: flags.ReasonTargetingMatch}
		default:
			unit, ok := unit(subject)
			if !ok {
				return failed(flags.CodeTargetingKeyMissing, "the subject has neither a merchantId nor a targetingKey")
			}
			variant := r.HalfOff
			if firstHalf(key, unit) {
				variant = r.HalfOn
			}
			return flags.Evaluation{Variant: variant, Rule: r.Name, Reason: flags.ReasonSplit}
		}
	}
	if len(f.Rules) == 0 && f.Serve != "" {
		return flags.Evaluation{Variant: f.Serve, Reason: flags.ReasonStatic}
	}
	return flags.Evaluation{Variant: f.Serve, Reason: flags.ReasonDefault}
}

func (r fileRule) takes(subject *flags.Subject) bool {
	if r.Attribute == "" {
		return true
	}
	v, _ := subject.Attribute(r.Attribute)
	text, ok := v.Any().(string)
	return ok && slices.Contains(r.Is, text)
}

// unit returns what a split is by.
func unit(subject *flags.Subject) (string, bool) {
	for _, by := range []string{flags.AttrMerchant, flags.AttrTargetingKey} {
		v, _ := subject.Attribute(by)
		if text, ok := v.Any().(string); ok && text != "" {
			return text, true
		}
	}
	return "", false
}

// firstHalf hashes the key too, so that two flags do not take the same half.
func firstHalf(key, unit string) bool {
	h := sha256.Sum256([]byte(key + "\x00" + unit))
	return binary.BigEndian.Uint64(h[:])>>63 == 0
}

func failed(code flags.ErrorCode, message string) flags.Evaluation {
	return flags.Evaluation{Reason: flags.ReasonError, Err: &flags.Error{Code: code, Message: message}}
}
