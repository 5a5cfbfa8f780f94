package tenants_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/memory"
	"github.com/lumelle/adminkit/storage/tenants"
)

// A merchant takes its records along, and is deleted once the file was read back.
func Example() {
	ctx := context.Background()
	backend, err := memory.New(memory.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer backend.Close(ctx)
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	if err := backend.Jobs().Enqueue(ctx, []jobs.Job{
		{Tenant: "acme", Lane: "orders", Kind: "orders.export", Due: noon, Payload: []byte("7")},
		{Tenant: "bloom", Lane: "orders", Kind: "orders.export", Due: noon},
	}); err != nil {
		fmt.Println(err)
		return
	}

	service, err := tenants.New(backend.Tenants(), tenants.Config{Now: func() time.Time { return noon }})
	if err != nil {
		fmt.Println(err)
		return
	}
	var file bytes.Buffer
	if _, err := service.Export(ctx, "acme", &file); err != nil {
		fmt.Println(err)
		return
	}
	header, job, _ := strings.Cut(file.String(), "\n")
	job, _, _ = strings.Cut(job, "\n")
	fmt.Println(header)
	fmt.Println(job)
	read, counts, err := tenants.Read(&file, nil)
	fmt.Println(read.Tenant, counts.Total(), err)

	deleted, err := service.Delete(ctx, "acme", tenants.Deletion{})
	fmt.Println(deleted, err)
	_, counts, err = exported(ctx, service, "bloom")
	fmt.Println(counts.Total(), err)
	// Output:
	// {"format":"adminkit-tenant","version":1,"schema":2,"tenant":"acme","exported_at":"2026-03-01T12:00:00Z"}
	// {"table":"jobs_job","row":{"tenant":"acme","id":1,"lane":"orders","kind":"orders.export","key":"","priority":0,"due":1772366400000000,"attempt":0,"lost":0,"trace":"","payload":"Nw=="}}
	// acme 2 <nil>
	// map[jobs_job:1 jobs_lane:1] <nil>
	// 2 <nil>
}

func exported(ctx context.Context, service *tenants.Service, tenant string) (tenants.Header, tenants.Counts, error) {
	var file bytes.Buffer
	if _, err := service.Export(ctx, tenant, &file); err != nil {
		return tenants.Header{}, nil, err
	}
	return tenants.Read(&file, nil)
}
