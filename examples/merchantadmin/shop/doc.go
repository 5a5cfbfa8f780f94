// Package shop is the business that the merchant admin administers: orders and their
// refunds, stock and payouts, in tables of its own. It stands for the code that a host has already. It
// knows nothing of policies, approvals or audit; it offers one change, [Store.Refund],
// that takes part in whatever transaction its ctx carries.
package shop
