package cloudevent_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/cloudevent"
	"github.com/lumelle/adminkit/audit/schema"
	"github.com/lumelle/adminkit/storage/storagetest/suitetest"
)

// specSchema compiles the JSON Schema that the specification publishes for events.
func specSchema(t *testing.T) audit.Validator {
	t.Helper()
	v, err := schema.Compile(suitetest.Read(t, suitetest.Dir(t, "cloudevents"), "formats", "cloudevents.json"))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestSuiteSamples takes the samples of version 1.0 through the binary and the
// structured mode. Those of version 0.3 are refused: the kit reads 1.0 only.
func TestSuiteSamples(t *testing.T) {
	dir := suitetest.Dir(t, "cloudevents")
	validator := specSchema(t)
	count := 0
	for _, name := range []string{"v1.yaml", "v1.0/v1_minimum.yaml", "v03.yaml", "v0.3/v03_minimum.yaml"} {
		for _, sample := range samples(t, string(suitetest.Read(t, dir, "yaml", filepath.FromSlash(name)))) {
			count++
			header := map[string][]string{}
			for attribute, value := range sample.attributes {
				if attribute == "datacontenttype" {
					header["Content-Type"] = []string{value}
				} else {
					header["ce-"+attribute] = []string{value}
				}
			}
			read, err := cloudevent.Read(header, []byte(sample.data))
			if sample.attributes["specversion"] != "1.0" {
				if err == nil || !strings.Contains(err.Error(), "/specversion") {
					t.Errorf("%s: version 0.3 is answered %v", name, err)
				}
				continue
			}
			if err != nil {
				t.Errorf("%s: %v: %v", name, sample.attributes, err)
				continue
			}
			structured, err := read[0].Append(nil)
			if err != nil {
				t.Errorf("%s: Append: %v", name, err)
				continue
			}
			if err := validator.Validate(structured); err != nil {
				t.Errorf("%s: the schema of the specification refuses %s: %v", name, structured, err)
			}
			back, err := cloudevent.Read(map[string][]string{"content-type": {cloudevent.StructuredType + "; charset=UTF-8"}}, structured)
			if err != nil || !reflect.DeepEqual(back[0], read[0]) {
				t.Errorf("%s: structured reads as %+v, %v\nbinary was          %+v", name, back, err, read[0])
			}
		}
	}
	if count != 15 {
		t.Errorf("ran %d samples, want 15", count)
	}
}

type sample struct {
	attributes map[string]string
	data       string
}

// samples reads the few forms of YAML that the suite's files use.
func samples(t *testing.T, file string) []sample {
	t.Helper()
	var all []sample
	for doc := range strings.SplitSeq(file, "\n---\n") {
		s := sample{attributes: map[string]string{}}
		section, block := "", ""
		for line := range strings.Lines(doc) {
			key, value, ok := strings.Cut(strings.TrimSpace(line), ":")
			indent := len(line) - len(strings.TrimLeft(line, " "))
			value = strings.Trim(strings.TrimSpace(value), `"`)
			switch {
			case strings.HasPrefix(line, "#") || strings.TrimSpace(line) == "":
			case indent == 0 && ok:
				section, block = key, ""
				if section == "Data" && value != "|" {
					s.data = value
				}
			case section == "Data":
				s.data += strings.TrimSpace(line)
			case section == "ContextAttributes" && block != "" && indent > 4:
				s.attributes[block] += strings.TrimSpace(line)
			case section == "ContextAttributes" && key != "Extensions":
				key = strings.TrimSpace(key)
				if block = ""; value == "|" {
					block, value = key, ""
				}
				s.attributes[key] = value
			}
		}
		if len(s.attributes) > 0 {
			all = append(all, s)
		}
	}
	return all
}

// TestSuiteScenarios runs the scenarios of the HTTP binding, once a row of examples.
// The three of Kafka are skipped: the kit speaks no Kafka.
func TestSuiteScenarios(t *testing.T) {
	dir := suitetest.Dir(t, "cloudevents")
	feature := string(suitetest.Read(t, dir, "features", "http-protocol-binding.feature"))
	count := 0
	for _, scenario := range strings.Split(feature, "Scenario Outline:")[1:] {
		body, examples, _ := strings.Cut(scenario, "Examples:")
		for _, row := range tableRows(examples)[1:] {
			count++
			text := strings.ReplaceAll(body, "<contentType>", row[0])
			blocks := strings.Split(text, `"""`)
			message := dedent(blocks[1])
			request := parseRequest(t, message)
			read, err := cloudevent.Read(request.header, []byte(request.body))
			if err != nil || len(read) != 1 {
				t.Errorf("%s: %v", row[0], err)
				continue
			}
			got := attributesOf(read[0])
			for _, want := range tableRows(blocks[2])[1:] {
				if got[want[0]] != want[1] {
					t.Errorf("%s: attribute %s is %q, want %q", row[0], want[0], got[want[0]], want[1])
				}
			}
			if string(read[0].Data) != `{"message":"Hello World!"}` {
				t.Errorf("%s: data %s", row[0], read[0].Data)
			}
		}
	}
	if count != 4 {
		t.Errorf("ran %d scenarios, want 4", count)
	}
}

func tableRows(text string) [][]string {
	var rows [][]string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "|") {
			var row []string
			for _, cell := range strings.Split(strings.Trim(line, "|"), "|") {
				row = append(row, strings.TrimSpace(cell))
			}
			rows = append(rows, row)
		}
	}
	return rows
}

func dedent(block string) string {
	return regexp.MustCompile(`(?m)^ {8}`).ReplaceAllString(strings.Trim(block, "\n"), "")
}

type request struct {
	header map[string][]string
	body   string
}

func parseRequest(t *testing.T, message string) request {
	t.Helper()
	head, body, _ := strings.Cut(message, "\n\n")
	head = regexp.MustCompile(`Content-Length: \d+`).ReplaceAllString(head, "Content-Length: "+strconv.Itoa(len(body)))
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(strings.ReplaceAll(head, "\n", "\r\n") + "\r\n\r\n" + body)))
	if err != nil {
		t.Fatal(err)
	}
	return request{r.Header, body}
}

func attributesOf(v cloudevent.Envelope) map[string]string {
	header, _ := v.Binary()
	attributes := map[string]string{"datacontenttype": header["Content-Type"]}
	for name, value := range header {
		attributes[strings.TrimPrefix(name, "ce-")] = value
	}
	return attributes
}

// TestEventsMeetTheSpecification holds what the kit writes against the published
// schema.
func TestEventsMeetTheSpecification(t *testing.T) {
	validator := specSchema(t)
	for i := range 200 {
		e := events().Example(i)
		for name, marshal := range map[string]func(audit.Event) ([]byte, error){
			"full": cloudevent.Marshal, "public": cloudevent.MarshalPublic,
		} {
			doc, err := marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			if err := validator.Validate(doc); err != nil {
				t.Errorf("%s: the schema refuses %s: %v", name, doc, err)
			}
		}
	}
}

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	good := func() map[string]any {
		return map[string]any{"specversion": "1.0", "id": "1", "source": "/shop", "type": "shop.paid", "data": map[string]any{"a": 1}}
	}
	for _, c := range []struct {
		name, pointer string
		change        func(e map[string]any)
	}{
		{"no id", "/id", func(e map[string]any) { delete(e, "id") }},
		{"an empty id", "/id", func(e map[string]any) { e["id"] = "" }},
		{"an id that is a number", "/id", func(e map[string]any) { e["id"] = 1 }},
		{"an id that is null", "/id", func(e map[string]any) { e["id"] = nil }},
		{"no source", "/source", func(e map[string]any) { delete(e, "source") }},
		{"a source that is no URI reference", "/source", func(e map[string]any) { e["source"] = "a b" }},
		{"no type", "/type", func(e map[string]any) { delete(e, "type") }},
		{"no version", "/specversion", func(e map[string]any) { delete(e, "specversion") }},
		{"another version", "/specversion", func(e map[string]any) { e["specversion"] = "0.3" }},
		{"a time that is none", "/time", func(e map[string]any) { e["time"] = "yesterday" }},
		{"an empty subject", "/subject", func(e map[string]any) { e["subject"] = "" }},
		{"a relative schema", "/dataschema", func(e map[string]any) { e["dataschema"] = "schema.json" }},
		{"a content type that is none", "/datacontenttype", func(e map[string]any) { e["datacontenttype"] = ";" }},
		{"an extension in upper case", "/Tenant", func(e map[string]any) { e["Tenant"] = "a" }},
		{"an extension with a dash", "/a-b", func(e map[string]any) { e["a-b"] = "a" }},
		{"an extension that is an object", "/extra", func(e map[string]any) { e["extra"] = map[string]any{} }},
		{"an extension that is a fraction", "/extra", func(e map[string]any) { e["extra"] = 1.5 }},
		{"an extension beyond 32 bits", "/extra", func(e map[string]any) { e["extra"] = 1 << 40 }},
		{"an extension with a line end", "/extra", func(e map[string]any) { e["extra"] = "a\nb" }},
		{"data twice", "/data_base64", func(e map[string]any) { e["data_base64"] = "YQ==" }},
		{"data that is no base64", "/data_base64", func(e map[string]any) { delete(e, "data"); e["data_base64"] = "?" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := good()
			c.change(e)
			doc, err := json.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			if _, err = cloudevent.Parse(doc); err == nil || !strings.Contains(err.Error(), c.pointer+":") {
				t.Errorf("Parse = %v, want it refused at %s", err, c.pointer)
			}
			batch := "[" + `{"specversion":"1.0","id":"0","source":"/s","type":"t"},` + string(doc) + "]"
			if _, err = cloudevent.ParseBatch([]byte(batch)); err == nil || !strings.Contains(err.Error(), "/1"+c.pointer+":") {
				t.Errorf("ParseBatch = %v, want it refused at /1%s", err, c.pointer)
			}
		})
	}
	binary := map[string][]string{"ce-specversion": {"1.0"}, "ce-id": {"1"}, "ce-source": {"/s"}, "ce-type": {"t"}, "content-type": {"application/json"}}
	for name, c := range map[string]struct {
		header map[string][]string
		body   string
		want   string
	}{
		"a structured body that is cut off": {map[string][]string{"Content-Type": {cloudevent.StructuredType}}, `{"id":`, "cut off"},
		"a structured array":                {map[string][]string{"Content-Type": {cloudevent.StructuredType}}, `[]`, "must be a JSON object"},
		"a batch that is an object":         {map[string][]string{"Content-Type": {cloudevent.BatchType}}, `{}`, "must be an array"},
		"a key twice":                       {map[string][]string{"Content-Type": {cloudevent.StructuredType}}, `{"id":"1","id":"2"}`, "/id: stands twice"},
		"another charset":                   {map[string][]string{"Content-Type": {cloudevent.StructuredType + "; charset=latin1"}}, `{}`, "UTF-8"},
		"another format":                    {map[string][]string{"Content-Type": {"application/cloudevents+avro"}}, ``, "other than JSON"},
		"no attribute":                      {nil, `{}`, "/specversion: is required"},
		"an attribute twice":                {with(binary, "ce-id", "1", "2"), `{}`, "/id: must stand once"},
		"a version of another kind":         {with(binary, "ce-specversion", "2.0"), `{}`, "/specversion: must be 1.0"},
		"an encoding that is not UTF-8":     {with(binary, "ce-subject", "%ff"), `{}`, "/subject: must be percent-encoded UTF-8"},
		"a content type beside the header":  {with(binary, "ce-datacontenttype", "text/plain"), `{}`, "/datacontenttype: is told"},
		"data that is not JSON":             {binary, `{`, "/data: is"},
		"a bad content type":                {with(binary, "content-type", "/"), `{}`, "/datacontenttype: must be a media type"},
	} {
		if _, err := cloudevent.Read(c.header, []byte(c.body)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: Read = %v, want %q", name, err, c.want)
		}
	}
}

// with returns header with other values of one name.
func with(header map[string][]string, name string, values ...string) map[string][]string {
	changed := map[string][]string{name: values}
	for n, v := range header {
		if n != name {
			changed[n] = v
		}
	}
	return changed
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{"a":1},"extra":true}`))
	f.Add([]byte(`{"specversion":"1.0","id":"1","source":"/s","type":"t","datacontenttype":"text/plain","data":"a"}`))
	f.Add([]byte(`{"specversion":"1.0","id":"1","source":"/s","type":"t","data_base64":"AAE="}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		v, err := cloudevent.Parse(doc)
		if err != nil {
			return
		}
		out, err := v.Append(nil)
		if err != nil {
			t.Fatalf("Append of %+v: %v", v, err)
		}
		back, err := cloudevent.Parse(out)
		if err != nil {
			t.Fatalf("Parse(%s): %v", out, err)
		}
		if !reflect.DeepEqual(back, v) {
			t.Errorf("%s reads as %+v, want %+v", out, back, v)
		}
		_, _ = v.Event() // any envelope may be converted or refused, and none panics
	})
}

func BenchmarkMarshal(b *testing.B) {
	e := events().Example(7)
	e.Payload = json.RawMessage(`{"amount":"150.00","currency":"EUR","order_id":"1001"}`)
	b.Run("public", func(b *testing.B) {
		b.ReportAllocs()
		var dst []byte
		for b.Loop() {
			dst, _ = cloudevent.AppendPublic(dst[:0], e)
		}
	})
	b.Run("full", func(b *testing.B) {
		b.ReportAllocs()
		var dst []byte
		for b.Loop() {
			dst, _ = cloudevent.Append(dst[:0], e)
		}
	})
}
