package customprovider

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/lumelle/adminkit/flags"
)

func ExampleFlagFile() {
	dir, err := os.MkdirTemp("", "flags")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "flags.json")
	err = os.WriteFile(path, []byte(`{"acme": {"instant-payouts": {
		"values": {"on": true, "off": false}, "serve": "off",
		"rules": [{"name": "pro", "attribute": "plan", "is": ["pro"], "serve": "on"}]
	}}}`), 0o600)
	if err != nil {
		panic(err)
	}
	file, err := OpenFlagFile(path, time.Second)
	if err != nil {
		panic(err)
	}
	defer file.Close()
	ev := file.Evaluate(context.Background(), "instant-payouts", &flags.Subject{Tenant: "acme", Key: "m-1"})
	fmt.Println(ev.Value, ev.Reason)
	// Output: false DEFAULT
}
