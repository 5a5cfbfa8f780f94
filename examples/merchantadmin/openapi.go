package main

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	"github.com/lumelle/adminkit/approvals/portal"
	"github.com/lumelle/adminkit/audit/auditfeed"
	"github.com/lumelle/adminkit/authz/authzen"
	"github.com/lumelle/adminkit/automation/automationadmin"
	"github.com/lumelle/adminkit/flags/flagadmin"
	"github.com/lumelle/adminkit/flags/ofrep"
	"github.com/lumelle/adminkit/webhooks/webhookadmin"
)

//go:embed openapi.json
var hostOpenAPI []byte

// A surfaceDocument is the OpenAPI document of one surface and where it is mounted.
type surfaceDocument struct {
	name, prefix string
	document     []byte
}

func surfaceDocuments() []surfaceDocument {
	return []surfaceDocument{
		{"authz", "/access/v1", authzen.OpenAPI()},
		{"approvals", "/api/v1/approvals", portal.OpenAPI()},
		{"webhooks", "/api/v1/webhooks", webhookadmin.OpenAPI()},
		{"flags", "/api/v1", flagadmin.OpenAPI()},
		{"ofrep", "/ofrep/v1", ofrep.OpenAPI()},
		{"automation", "/api/v1/automation", automationadmin.OpenAPI()},
		{"audit", "/api/v1/audit", auditfeed.OpenAPI()},
		{"timeline", "/api/v1", auditfeed.TimelineOpenAPI()},
	}
}

// openAPI merges the documents of the surfaces into the host's own. Each surface's
// components get its name in front, because two surfaces may mean different things
// by one word.
func openAPI() ([]byte, error) {
	type document struct {
		OpenAPI    string                                `json:"openapi"`
		Info       json.RawMessage                       `json:"info"`
		Paths      map[string]json.RawMessage            `json:"paths"`
		Components map[string]map[string]json.RawMessage `json:"components"`
	}
	var merged document
	if err := json.Unmarshal(hostOpenAPI, &merged); err != nil {
		return nil, fmt.Errorf("the host's OpenAPI document: %w", err)
	}
	for _, s := range surfaceDocuments() {
		var part document
		if err := json.Unmarshal(s.document, &part); err != nil {
			return nil, fmt.Errorf("the OpenAPI document of %s: %w", s.name, err)
		}
		for path, item := range part.Paths {
			merged.Paths[s.prefix+path] = renamed(item, s.name, maps.Keys(part.Components))
		}
		for kind, components := range part.Components {
			if merged.Components[kind] == nil {
				merged.Components[kind] = map[string]json.RawMessage{}
			}
			for name, component := range components {
				merged.Components[kind][s.name+"."+name] = renamed(component, s.name, maps.Keys(part.Components))
			}
		}
	}
	return json.Marshal(merged)
}

// renamed points the references in doc to the components of the surface.
func renamed(doc json.RawMessage, surface string, kinds func(yield func(kind string) bool)) json.RawMessage {
	text := string(doc)
	for kind := range kinds {
		text = strings.ReplaceAll(text, `"#/components/`+kind+`/`, `"#/components/`+kind+`/`+surface+`.`)
	}
	return json.RawMessage(text)
}
