package main

func Example() {
	main()
	// Output:
	// new prices: true
	// tea changed: true
	// gold changed: false
	// sam flags.flag.created success
	// sam price.change success
	// sam approvals.request.submitted success
	// sam price.change pending
}
