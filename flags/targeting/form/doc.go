// Package form edits conditions as rows of a form, for pages that work without
// JavaScript. It holds no HTML: a page shows the fields of a [Form], and what the
// browser sends back is a Form again.
//
//	f := form.Of("when", condition)       // show f.Rows, or f.JSON where it is set
//	f = form.Read(r.PostForm, "when")     // what came back
//	if f, ok := f.Do(r.PostFormValue("do")); ok {
//		// a button of the form was pressed: show f again
//	}
//	condition, err := f.Condition()
//
// # Rows
//
// A [Row] is one clause: an attribute, an operator and a value as text. Its [Group] says
// how it counts: every row of [All] has to hold, at least one of [Any], and none of
// [None]. These three groups are as much as people read at one glance; a condition that
// nests deeper, or uses what a row has no field for, is edited as JSON in the same form.
//
// # Fields
//
// Of a form named "when", the browser sends for every row, in their order, the fields
// when.group, when.path, when.op and when.value, or when.json in place of all of them.
// Buttons are fields too, of any name, with the values when.add, when.remove.N,
// when.up.N, when.down.N (N counts rows from 0), when.json and when.rows.
//
// # Values
//
// Operators that compare texts only take the text as it is. For the others, true, false
// and numbers are what they look like, and everything else is a text; "7" in quotes is
// the text. Where an operator takes several values, commas stand between them, and a
// value with a comma stands in quotes, as in JSON.
package form
