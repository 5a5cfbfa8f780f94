package shop_test

import (
	"fmt"

	"github.com/lumelle/adminkit/examples/merchantadmin/shop"
)

// An amount is written in one way, and anything else is refused with a sentence.
func ExampleParseMoney() {
	amount, err := shop.ParseMoney("/amount", "12.5")
	fmt.Println(amount, err)
	_, err = shop.ParseMoney("/amount", "1e3")
	fmt.Println(err)
	// Output:
	// 12.50 <nil>
	// invalid input: /amount: must be a decimal such as "12.50"
}
