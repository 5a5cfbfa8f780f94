package flagform

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/flags/targeting"
	"github.com/lumelle/adminkit/flags/targeting/form"
)

// When returns for whom a rule holds, as a sentence without its full stop.
func When(r flags.Rule) string {
	switch {
	case r.Strategy != nil:
		parameters, err := json.Marshal(r.Strategy.Parameters)
		if err != nil || len(r.Strategy.Parameters) == 0 {
			return "strategy " + r.Strategy.Name
		}
		return "strategy " + r.Strategy.Name + " with " + string(parameters)
	case r.When == nil:
		return form.Sentence(targeting.Condition{})
	}
	return form.Sentence(*r.When)
}

// Serves returns what a rule serves: a variant, or the shares of a split in percent.
func Serves(r flags.Rule) string {
	switch {
	case r.Serve == nil:
		return "what the strategy says"
	case r.Serve.Split == nil:
		return r.Serve.Variant
	}
	sum := 0.0
	for _, share := range r.Serve.Split.Weights {
		sum += share.Weight
	}
	var shares []string
	for _, share := range r.Serve.Split.Weights {
		percent := math.Round(share.Weight/sum*1e4) / 100
		shares = append(shares, share.Variant+" "+strconv.FormatFloat(percent, 'f', -1, 64)+" %")
	}
	said := strings.Join(shares, ", ")
	if by := r.Serve.Split.By; len(by) > 0 {
		said += " by " + strings.Join(by, ", else ")
	}
	return said
}
