package form_test

import (
	"encoding/json"
	"fmt"

	"github.com/lumelle/adminkit/flags/targeting/form"
)

func Example() {
	sent := map[string][]string{
		"when.group": {"all", "any", "any"},
		"when.path":  {"country", "plan", "/data/amount"},
		"when.op":    {"in", "eq", "gte"},
		"when.value": {"DE, AT", "pro", "100"},
	}
	f := form.Read(sent, "when")
	condition, err := f.Condition()
	if err != nil {
		fmt.Println(err)
		return
	}
	document, _ := json.Marshal(condition)
	fmt.Println(string(document))
	fmt.Println(form.Sentence(condition))

	f, _ = f.Do("when.remove.1")
	fmt.Println(len(f.Rows), "rows are left")
	// Output:
	// {"all":[{"path":"country","op":"in","value":["DE","AT"]},{"any":[{"path":"plan","op":"eq","value":"pro"},{"path":"/data/amount","op":"gte","value":100}]}]}
	// country is one of DE, AT and (plan is pro or /data/amount is at least 100)
	// 2 rows are left
}
