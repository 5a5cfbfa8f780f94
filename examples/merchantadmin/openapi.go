package main

import (
	_ "embed"

	"github.com/lumelle/adminkit/approvals/portal"
	"github.com/lumelle/adminkit/audit/auditfeed"
	"github.com/lumelle/adminkit/audit/httpapi"
	"github.com/lumelle/adminkit/audit/httpapi/savedfilters"
	"github.com/lumelle/adminkit/authz/authzen"
	"github.com/lumelle/adminkit/automation/automationadmin"
	"github.com/lumelle/adminkit/flags/flagadmin"
	"github.com/lumelle/adminkit/flags/ofrep"
	"github.com/lumelle/adminkit/webhooks/webhookadmin"
)

//go:embed openapi.json
var hostOpenAPI []byte

// openAPI is the document of the host and of all surfaces that it mounts.
func openAPI() ([]byte, error) {
	return httpapi.MergeDocuments(hostOpenAPI,
		httpapi.Surface{Name: "authz", Prefix: "/access/v1", Document: authzen.OpenAPI()},
		httpapi.Surface{Name: "approvals", Prefix: "/api/v1/approvals", Document: portal.OpenAPI()},
		httpapi.Surface{Name: "webhooks", Prefix: "/api/v1/webhooks", Document: webhookadmin.OpenAPI()},
		httpapi.Surface{Name: "flags", Prefix: "/api/v1", Document: flagadmin.OpenAPI()},
		httpapi.Surface{Name: "ofrep", Prefix: "/ofrep/v1", Document: ofrep.OpenAPI()},
		httpapi.Surface{Name: "automation", Prefix: "/api/v1/automation", Document: automationadmin.OpenAPI()},
		httpapi.Surface{Name: "lists", Prefix: "/api/v1/lists", Document: savedfilters.OpenAPI()},
		httpapi.Surface{Name: "audit", Prefix: "/api/v1/audit", Document: auditfeed.OpenAPI()},
		httpapi.Surface{Name: "timeline", Prefix: "/api/v1", Document: auditfeed.TimelineOpenAPI()},
	)
}
