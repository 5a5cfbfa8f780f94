package egress_test

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/lumelle/adminkit/webhooks/egress"
)

func ExampleNew() {
	// Deliver to public addresses, and to the receivers of the house in 10.20.0.0/16.
	d, err := egress.New(egress.Config{Allow: []netip.Prefix{netip.MustParsePrefix("10.20.0.0/16")}})
	if err != nil {
		panic(err)
	}
	defer d.Close(context.Background())
	fmt.Println(d.CheckURL("http://10.20.0.7:8080/in"))
	fmt.Println(d.CheckURL("http://10.30.0.7:8080/in"))
	// Output:
	// <nil>
	// invalid input: must begin with https://
}

func ExampleDeliverer_CheckURL() {
	d, err := egress.New(egress.Config{})
	if err != nil {
		panic(err)
	}
	defer d.Close(context.Background())
	for _, url := range []string{
		"https://hooks.example.com/in",
		"http://hooks.example.com/in",
		"https://169.254.169.254/latest/meta-data/",
		"https://0x7f000001/",
		"https://user:secret@hooks.example.com/",
	} {
		fmt.Println(d.CheckURL(url))
	}
	// Output:
	// <nil>
	// invalid input: must begin with https://
	// invalid input: is not a public address that webhooks may be sent to
	// invalid input: has a host that may be read as an address; write addresses in full
	// invalid input: must not carry a user or password
}
