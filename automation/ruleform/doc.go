// Package ruleform edits the definition of an automation as an HTML form does, for pages
// that work without JavaScript. It holds no HTML and stores nothing.
//
//	f := ruleform.Of(definition)                 // show its fields
//	f = ruleform.Read(r.PostForm)                // what came back
//	if f, ok := f.Do(r.PostFormValue("do"), catalog.Actions()); ok {
//		// a button of the form was pressed: show f again
//	}
//	definition, err := f.Definition()            // for Service.TestDefinition, Create and Update
//	event := f.Sample(catalog.Triggers())        // to test it where nobody typed an event
//
// A [Step] is the name of an action and its input as JSON. One that has more than that,
// such as a choice, a policy or a route of its own, is edited as JSON as a whole. What
// else a definition may have stands in Rest, as JSON too, so nothing of it gets lost.
//
// # Fields
//
// The fields of the rule are name, description, automation_environment, trigger,
// event_type and rest. Its conditions are the form named when (package
// flags/targeting/form). Those of the step N, counted from 0, begin with step.N: name,
// action and with, or json in place of all. Buttons have the values step.add,
// step.add.ACTION, step.remove.N, step.up.N, step.down.N, step.N.json, step.N.fields (back
// from it, where the fields hold the step), and those of the conditions.
package ruleform
