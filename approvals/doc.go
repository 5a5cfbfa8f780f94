// Package approvals has others agree to a change before it is made.
package approvals
