package main

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/lumelle/adminkit/storage/sqlite"
)

// fields are what a browser sends of the form around a button of the page: every field
// as it stands.
func (b *browser) fields() url.Values {
	b.t.Helper()
	v := url.Values{}
	value := func(tag, name string) string {
		found := regexp.MustCompile(`\s` + name + `="([^"]*)"`).FindStringSubmatch(tag)
		if found == nil {
			return ""
		}
		return html.UnescapeString(found[1])
	}
	form := b.page[strings.Index(b.page, `<main`):]
	for _, found := range regexp.MustCompile(`(?s)<input[^>]*>|<select[^>]*>.*?</select>|<textarea[^>]*>.*?</textarea>`).FindAllString(form, -1) {
		tag, rest, _ := strings.Cut(found, ">")
		switch name := value(tag, "name"); {
		case strings.HasPrefix(tag, "<textarea"):
			v.Add(name, html.UnescapeString(strings.TrimSuffix(rest, "</textarea>")))
		case strings.HasPrefix(tag, "<select"):
			chosen := regexp.MustCompile(`<option([^>]*)>([^<]*)`).FindAllStringSubmatch(rest, -1)
			pick := chosen[0]
			for _, option := range chosen {
				if strings.Contains(option[1], " selected") {
					pick = option
				}
			}
			if strings.Contains(pick[1], "value=") {
				v.Add(name, value(pick[1], "value"))
			} else {
				v.Add(name, html.UnescapeString(pick[2]))
			}
		case value(tag, "type") == "checkbox":
			if strings.Contains(tag, " checked") {
				v.Add(name, "on")
			}
		default:
			v.Add(name, value(tag, "value"))
		}
	}
	return v
}

// press sends the form of a page by one of its buttons, after some fields were changed.
func (b *browser) press(path, button string, change url.Values) answer {
	b.t.Helper()
	v := b.fields()
	for name, values := range change {
		v[name] = values
	}
	v.Set("do", button)
	got := b.form(path, v)
	b.page = string(got.body)
	return got
}

func TestFlagIsBuiltPreviewedPublishedAndKilledThroughThePages(t *testing.T) {
	t.Parallel()
	onEachDatabase(t, func(t *testing.T, db string) {
		a := startAdmin(t, db)
		dana := a.signIn("dana")
		page := dana.follow(dana.form("/flags", url.Values{"key": {"checkout-v2"}, "type": {"release"}, "owner": {"web"}, "reason": {"new"}}))
		if !strings.Contains(page, "checkout-v2") || !strings.Contains(page, ">off<") {
			t.Fatalf("the new flag is not shown as off:\n%s", page)
		}

		draft := "/flags/checkout-v2/draft"
		dana.see(draft + "?environment=prod")
		dana.press(draft, "rule.add", nil).want(http.StatusOK)
		dana.press(draft, "rule.0.when.add", url.Values{"rule.0.when.path": {"country"}, "rule.0.when.op": {"exists"}}).want(http.StatusOK)
		built := url.Values{
			"enabled": {"on"}, "default": {"off"}, "rule.0.name": {"one store"}, "rule.0.serve": {"on"},
			"rule.0.when.path": {"storeId", "storeId"}, "rule.0.when.op": {"in", "exists"}, "rule.0.when.value": {"acme-online, nowhere", "true"},
		}
		if page := string(dana.press(draft, "preview", built).want(http.StatusOK).body); !strings.Contains(page, "<strong>0</strong> now") ||
			!strings.Contains(page, "<strong>1</strong> then") || !strings.Contains(page, `<span class="pill good">acme-online</span>`) {
			t.Errorf("the preview does not show who would notice:\n%s", page)
		}
		if page := dana.see("/flags/checkout-v2?environment=prod"); strings.Contains(page, "one store") {
			t.Errorf("a preview changes the flag")
		}
		dana.see(draft + "?environment=prod")
		dana.press(draft, "rule.add", nil)
		dana.press(draft, "rule.0.when.add", nil)
		page = dana.follow(dana.press(draft, "publish", built))
		if !strings.Contains(page, "If storeId is one of acme-online, nowhere and storeId is there, serve <strong>on</strong>") {
			t.Errorf("the published rule is not said:\n%s", page)
		}

		if got := dana.form("/flags/checkout-v2/kill", url.Values{"environment": {"prod"}}); got.status != http.StatusUnprocessableEntity {
			t.Errorf("a kill without a reason answers %d", got.status)
		}
		page = dana.follow(dana.form("/flags/checkout-v2/kill", url.Values{"environment": {"prod"}, "reason": {"it burns"}}))
		if !strings.Contains(page, "it burns") || !strings.Contains(page, ">killed<") {
			t.Errorf("the page does not show the kill")
		}
		dana.form("/flags/checkout-v2/restore", url.Values{"environment": {"prod"}, "reason": {"mended"}}).want(http.StatusSeeOther)
		page = dana.follow(dana.form("/flags/checkout-v2/overrides", url.Values{
			"environment": {"prod"}, "attribute": {"storeId"}, "subject": {"acme-berlin"}, "variant": {"on"}, "kind": {"qa"}, "days": {"3"}, "reason": {"to look"},
		}))
		override := regexp.MustCompile(`/flags/checkout-v2/overrides/[^"]+/clear`).FindString(page)
		if override == "" {
			t.Fatalf("the override is not shown:\n%s", page)
		}
		page = dana.follow(dana.form(override, url.Values{"environment": {"prod"}}))
		if strings.Contains(page, "/clear") || strings.Count(page, "<summary>Changes") < 5 {
			t.Errorf("the override stays, or the history is short:\n%s", page)
		}
		if page := a.signIn("audra").see("/flags"); !strings.Contains(page, "checkout-v2") {
			t.Errorf("who may read does not see the flag")
		}
	})
}

func TestFlagThatIsNoReleaseFlagWaitsForASecondPerson(t *testing.T) {
	t.Parallel()
	a := startAdmin(t, sqlite.Memory)
	dana, marco := a.signIn("dana"), a.signIn("marco")
	waits := dana.form("/flags", url.Values{"key": {"limit"}, "type": {"config"}, "value_type": {"number"}, "variants": {`{"small": 10, "large": 50}`}, "reason": {"r"}})
	request := waits.header.Get("Location")
	if page := dana.follow(waits); !strings.HasPrefix(request, "/approvals/") || !strings.Contains(page, "awaiting approval") {
		t.Fatalf("creating a config flag leads to %q", request)
	}
	marco.see(request)
	marco.form(request+"/decisions", url.Values{"revision": {"1"}, "decision": {"approve"}, "comment": {"fine"}, "id": {marco.hidden("id")}}).want(http.StatusSeeOther)
	eventually(t, "the flag", func() bool { return strings.Contains(dana.see("/flags"), ">limit<") })
}

func TestDraftSaysWhatIsWrongAndKeepsWhatWasTyped(t *testing.T) {
	t.Parallel()
	a := startAdmin(t, sqlite.Memory)
	dana := a.signIn("dana")
	draft := "/flags/" + newRefundForm + "/draft"
	for name, c := range map[string]struct {
		button string
		change url.Values
		status int
		says   string
	}{
		"a list without values":        {"preview", url.Values{"rule.0.when.value": {"a,,b"}}, http.StatusUnprocessableEntity, "environments, prod, rules 1, when"},
		"variants that are no JSON":    {"publish", url.Values{"variants": {"{oops"}}, http.StatusUnprocessableEntity, "{oops"},
		"a rule without a name":        {"publish", url.Values{"rule.0.name": {""}}, http.StatusUnprocessableEntity, "rules 1, name"},
		"a revision of the past":       {"publish", url.Values{"revision": {"77"}, "owner": {"else"}}, http.StatusConflict, "not in the state"},
		"a revision that is no number": {"preview", url.Values{"revision": {"x"}}, http.StatusBadRequest, "revision"},
		"a rule as JSON":               {"rule.0.json", nil, http.StatusOK, "&#34;support first&#34;"},
	} {
		t.Run(name, func(t *testing.T) {
			b := &browser{admin: a, cookie: dana.cookie}
			b.see(draft)
			if got := b.press(draft, c.button, c.change); got.status != c.status || !strings.Contains(b.page, c.says) {
				t.Errorf("it answers %d, want %d and %q:\n%s", got.status, c.status, c.says, b.page)
			}
		})
	}
	audra := a.signIn("audra")
	audra.see(draft)
	if got := audra.press(draft, "publish", url.Values{"owner": {"audra"}}); got.status != http.StatusForbidden {
		t.Errorf("an auditor publishes: %d", got.status)
	}
}
