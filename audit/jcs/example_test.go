package jcs_test

import (
	"fmt"

	"github.com/lumelle/adminkit/audit/jcs"
)

func ExampleCanonicalize() {
	canonical, err := jcs.Canonicalize([]byte(`{ "currency": "EUR", "amount": 12.50 }`))
	fmt.Println(string(canonical), err)

	_, err = jcs.Canonicalize([]byte(`{"amount": 1, "amount": 1000}`))
	fmt.Println(err)
	// Output:
	// {"amount":12.5,"currency":"EUR"} <nil>
	// jcs: /amount stands twice in its object (at byte 29)
}

// A typed encoder writes its keys in order and needs no sorting.
func ExampleAppendString() {
	b := []byte(`{"name":`)
	b = jcs.AppendString(b, "Zoë \"Z\"")
	b = append(b, `,"rate":`...)
	b, _ = jcs.AppendNumber(b, 1e-7)
	b = append(b, '}')
	fmt.Println(string(b))
	// Output: {"name":"Zoë \"Z\"","rate":1e-7}
}

// What an approver sees of a change.
func ExampleDiff() {
	for _, d := range jcs.Diff(
		[]byte(`{"status":"paid","refunded":"0.00","items":["mug","cup"]}`),
		[]byte(`{"refunded":"150.00", "items":["mug","bowl"], "status":"paid"}`),
	) {
		fmt.Printf("%s: %s → %s\n", d.Path, d.Before, d.After)
	}
	// Output:
	// /items/1: "cup" → "bowl"
	// /refunded: "0.00" → "150.00"
}
