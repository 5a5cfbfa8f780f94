package main

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/lumelle/adminkit/storage/sqlite"
)

// ids names the items of an answer of any of the lists.
func (r answer) ids() []string {
	r.t.Helper()
	var list struct {
		Items []struct {
			ID      string `json:"id"`
			StoreID string `json:"store_id"`
			SKU     string `json:"sku"`
		}
	}
	r.json(&list)
	var ids []string
	for _, i := range list.Items {
		ids = append(ids, i.ID+i.SKU+"@"+i.StoreID)
	}
	return ids
}

// The document is checked with every answer.
func TestListsAreReadPageByPage(t *testing.T) {
	t.Parallel()
	onEachDatabase(t, func(t *testing.T, db string) {
		a := startAdmin(t, db)
		for _, path := range []string{"/api/v1/orders", "/api/v1/inventory", "/api/v1/payouts"} {
			whole := a.as("sam", "GET", path+"?limit=1000", "").want(http.StatusOK).ids()
			var paged []string
			for next := path + "?limit=16"; next != ""; {
				page := a.as("sam", "GET", next, "").want(http.StatusOK)
				paged = append(paged, page.ids()...)
				link := page.header.Get("Link")
				next = ""
				if found := regexp.MustCompile(`^<([^>]+)>; rel="next"$`).FindStringSubmatch(link); found != nil {
					next = found[1]
				} else if link != "" || page.text("next") != "" {
					t.Fatalf("%s: the Link is %q beside next %q", path, link, page.text("next"))
				}
			}
			if len(whole) < 30 || strings.Join(paged, " ") != strings.Join(whole, " ") {
				t.Errorf("%s: page by page it is %v, whole it is %v", path, paged, whole)
			}
		}
	})
}

func TestListsAreForThePeopleOfTheMerchant(t *testing.T) {
	t.Parallel()
	a := startAdmin(t, sqlite.Memory)
	for _, path := range []string{"/api/v1/inventory", "/api/v1/payouts"} {
		for _, person := range []string{"olivia", "marco", "sam", "audra", "dana"} {
			for _, id := range a.as(person, "GET", path, "").want(http.StatusOK).ids() {
				if !strings.Contains(id, "@acme-") {
					t.Errorf("%s: %s of acme sees %s", path, person, id)
				}
			}
		}
		a.as("nina", "GET", path, "").want(http.StatusNotFound)
		a.as("mallory", "GET", path, "").want(http.StatusUnauthorized)
		a.send("GET", path, "").want(http.StatusUnauthorized)

		place := a.as("olivia", "GET", path+"?limit=5", "").want(http.StatusOK).text("next")
		theirs := a.as("nina", "GET", path+"?after="+place, "", "X-Tenant", "bloom").want(http.StatusOK)
		for _, id := range theirs.ids() {
			if !strings.Contains(id, "@bloom-") {
				t.Errorf("%s: behind a cursor of acme bloom sees %s", path, id)
			}
		}
		a.as("sam", "GET", path+"?after=next", "").want(http.StatusBadRequest)
		a.as("sam", "GET", path+"?limit=0", "").want(http.StatusBadRequest)
		a.as("sam", "GET", path+"?limt=5", "").want(http.StatusBadRequest)
	}
}

func TestInventoryAndPayoutsAreWalkedThroughThePages(t *testing.T) {
	t.Parallel()
	onEachDatabase(t, func(t *testing.T, db string) {
		a := startAdmin(t, db)
		sam := a.signIn("sam")
		for _, list := range []struct {
			path, more string
			shows      []string
		}{
			{"/inventory", "More articles", []string{">in stock<", ">low stock<", ">out of stock<", "BAG-101", "Stoneware mug, red"}},
			{"/payouts", "Older payouts", []string{">pending<", ">paid<", ">held<", "acme-online-2026-W03"}},
		} {
			seen, pages := "", 0
			for next := list.path; next != ""; pages++ {
				page := sam.see(next)
				if !strings.Contains(page, `<a href="`+list.path+`" aria-current="page">`) {
					t.Errorf("%s is not the current page of the navigation", next)
				}
				if strings.Contains(page, "bloom-") || strings.Contains(page, "cobalt-") {
					t.Errorf("%s shows rows of another merchant", next)
				}
				next = ""
				if found := regexp.MustCompile(`<a href="([^"]+)">` + list.more).FindStringSubmatch(page); found != nil {
					next = found[1]
				}
				seen += page
			}
			if pages < 2 {
				t.Errorf("%s has %d page", list.path, pages)
			}
			for _, want := range list.shows {
				if !strings.Contains(seen, want) {
					t.Errorf("%s lacks %q", list.path, want)
				}
			}
			sam.send("GET", list.path+"?after=next", "", "Cookie", sam.cookie).want(http.StatusBadRequest)
			sam.send("GET", list.path, "").want(http.StatusSeeOther)
		}
	})
}
