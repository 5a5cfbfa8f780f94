// Package e2e drives the merchant admin's pages in a headless Chromium, as a module
// of its own so that nobody who uses the kit downloads a browser's protocol.
//
//	go -C examples/merchantadmin/e2e test ./...
//
// The tests build the admin from the module around them and run it as a process:
// they know its pages and nothing of its code. They walk a refund, a flag, a config key
// and an automation with and without JavaScript, in light and dark, at 1280 and 390
// pixels, and want of each page: no error on the console (which is where a broken content
// policy shows), no violation that axe-core finds, and nothing to scroll sideways. Tasks
// with flags and automations have to be done in a number of clicks, and what was done is
// read back over the API.
//
// Without a chromium on the PATH they skip in one line; with ADMINKIT_STRICT=1 that
// is a failure. ADMINKIT_SHOTS names a directory for a picture of each page.
package e2e
