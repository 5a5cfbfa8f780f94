// Package flagform edits what a flag does in one environment as an HTML form does, for
// pages that work without JavaScript. It holds no HTML and changes no flag.
//
//	f := flagform.Of(flag, "prod")               // show its fields
//	f = flagform.Read(r.PostForm, flag, "prod")  // what came back
//	if f, ok := f.Do(r.PostFormValue("do")); ok {
//		// a button of the form was pressed: show f again
//	}
//	draft, err := f.Apply(flag)                  // for Service.Preview and Service.Update
//
// A [Rule] is a condition as rows (package flags/targeting/form) and what is served: a
// variant, or a split with a weight for each variant. A rule that has more than that, a
// strategy or a split of another product's scheme, is edited as JSON. What the form has no
// fields for, such as overrides, stays as it is.
//
// # Fields
//
// The fields of the flag are enabled, default, off, owner, description and variants. Those
// of the rule N, counted from 0, begin with rule.N: name, serve, by, salt, and weight with
// weight.variant for each variant in order, or json in place of all. Its condition is the
// form named rule.N.when. Buttons have the values rule.add, rule.remove.N, rule.up.N,
// rule.down.N, rule.N.json and rule.N.fields (back from it, where the fields hold the rule), and those of
// the conditions.
package flagform
