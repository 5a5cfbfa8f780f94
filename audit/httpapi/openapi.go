package httpapi

import (
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"strings"
)

// Document returns the handler that serves an embedded OpenAPI 3.1 document. It
// needs no identity: the document holds no data.
func Document(doc []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Write(doc)
	})
}

// A Surface is a handler that a package brings along, as a host's document describes it.
type Surface struct {
	// Name stands before the names of its components, because two surfaces may mean
	// different things by one word.
	Name string
	// Prefix is where the handler is mounted, such as "/api/v1/webhooks".
	Prefix string
	// Document is the OpenAPI document that the package offers.
	Document []byte
}

// MergeDocuments returns the host's OpenAPI document with the paths and components of
// the surfaces that it mounts. A document that is none is an error that names it.
func MergeDocuments(host []byte, surfaces ...Surface) ([]byte, error) {
	type document struct {
		OpenAPI    string                                `json:"openapi"`
		Info       json.RawMessage                       `json:"info"`
		Paths      map[string]json.RawMessage            `json:"paths"`
		Components map[string]map[string]json.RawMessage `json:"components"`
	}
	merged := document{Paths: map[string]json.RawMessage{}, Components: map[string]map[string]json.RawMessage{}}
	if err := json.Unmarshal(host, &merged); err != nil {
		return nil, fmt.Errorf("the host's OpenAPI document: %w", err)
	}
	for _, s := range surfaces {
		var part document
		if err := json.Unmarshal(s.Document, &part); err != nil {
			return nil, fmt.Errorf("the OpenAPI document of %s: %w", s.Name, err)
		}
		for path, item := range part.Paths {
			merged.Paths[s.Prefix+path] = renamed(item, s.Name, maps.Keys(part.Components))
		}
		for kind, components := range part.Components {
			if merged.Components[kind] == nil {
				merged.Components[kind] = map[string]json.RawMessage{}
			}
			for name, component := range components {
				merged.Components[kind][s.Name+"."+name] = renamed(component, s.Name, maps.Keys(part.Components))
			}
		}
	}
	return json.Marshal(merged)
}

// renamed points the references in doc to the components of the surface.
func renamed(doc json.RawMessage, surface string, kinds iter.Seq[string]) json.RawMessage {
	text := string(doc)
	for kind := range kinds {
		text = strings.ReplaceAll(text, `"#/components/`+kind+`/`, `"#/components/`+kind+`/`+surface+`.`)
	}
	return json.RawMessage(text)
}
