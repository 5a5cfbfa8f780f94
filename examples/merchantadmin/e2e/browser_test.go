package e2e

import (
	"bufio"
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

var (
	browser context.Context // a running Chromium
	site    string          // the address of the admin
	axe     string          // the source of axe-core 4.14.1
)

func TestMain(m *testing.M) {
	code, err := withBrowserAndAdmin(m.Run)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		code = 1
	}
	os.Exit(code)
}

func withBrowserAndAdmin(run func() int) (code int, err error) {
	path, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("ADMINKIT_STRICT") == "1" {
			return 1, fmt.Errorf("no chromium on the PATH, and ADMINKIT_STRICT=1 wants one")
		}
		fmt.Println("e2e: skipped, there is no chromium on the PATH")
		return 0, nil
	}
	source, err := os.ReadFile("testdata/axe.min.js")
	if err != nil {
		return 1, err
	}
	axe = string(source)

	dir, err := os.MkdirTemp("", "merchantadmin-e2e")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	stop, err := startAdmin(dir)
	if err != nil {
		return 1, err
	}
	defer stop()

	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.UserDataDir(filepath.Join(dir, "profile")),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-gpu", true),
		chromedp.WSURLReadTimeout(patience))
	allocator, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	defer cancel()
	browser, cancel = chromedp.NewContext(allocator)
	defer cancel()
	if err := chromedp.Do(browser); err != nil {
		return 1, fmt.Errorf("start chromium: %w", err)
	}
	return run(), nil
}

// startAdmin builds the admin of the module around this one and runs it.
func startAdmin(dir string) (stop func(), err error) {
	binary := filepath.Join(dir, "merchantadmin")
	build := exec.Command("go", "build", "-o", binary, ".")
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the admin: %w\n%s", err, out)
	}
	admin := exec.Command(binary, "-addr", "127.0.0.1:0", "-db", "memory:", "-egress-allow", "127.0.0.0/8")
	admin.Stderr = os.Stderr
	stdout, err := admin.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := admin.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("the admin does not come up: %w", err)
	}
	site = strings.TrimPrefix(strings.TrimSpace(line), "merchant admin ready at ")
	return func() {
		admin.Process.Signal(syscall.SIGTERM)
		if err := admin.Wait(); err != nil {
			fmt.Fprintln(os.Stderr, "e2e: the admin ended with", err)
		}
	}, nil
}

// A look is how a page is looked at.
type look struct {
	script bool
	scheme string
	width  int64
}

func (l look) String() string {
	script := "without JavaScript"
	if l.script {
		script = "with JavaScript"
	}
	return fmt.Sprintf("%s, %s, %d px", script, l.scheme, l.width)
}

// inEveryLook runs a walk once for each way to look at the pages, n counting them.
func inEveryLook(t *testing.T, walk func(t *testing.T, n int, l look)) {
	n := 0
	for _, script := range []bool{true, false} {
		for _, scheme := range []string{"light", "dark"} {
			for _, width := range []int64{1280, 390} {
				l, at := look{script, scheme, width}, n
				n++
				t.Run(l.String(), func(t *testing.T) { walk(t, at, l) })
			}
		}
	}
}

// A tab is a person's browser: cookies, console and all are its own.
type tab struct {
	t    *testing.T
	ctx  context.Context
	look look

	// clicks are those since a page was opened by its address.
	clicks int

	mu     sync.Mutex
	errors []string
}

func open(t *testing.T, l look) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 10*time.Minute)
	t.Cleanup(cancel)
	b := &tab{t: t, ctx: ctx, look: l}
	b.do(chromedp.EmulateViewport(l.width, 900))
	if err := chromedp.Listen(ctx, b.hear); err != nil {
		t.Fatal(err)
	}
	_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: l.scheme}},
	})
	if err != nil {
		t.Fatal(err)
	}
	b.setScript(l.script)
	return b
}

func (b *tab) setScript(on bool) {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on})
	if err != nil {
		b.t.Fatal(err)
	}
}

// hear keeps what the page complains about.
func (b *tab) hear(ev any) {
	said := ""
	switch ev := ev.(type) {
	case *runtime.EventExceptionThrown:
		said = "exception: " + ev.ExceptionDetails.Text
		if e := ev.ExceptionDetails.Exception; e != nil {
			said += " " + e.Description
		}
	case *log.EventEntryAdded:
		// That a form was refused the browser says too; that is no fault of the page.
		refused := ev.Entry.Source == log.EntrySourceNetwork && strings.Contains(ev.Entry.Text, "status of 422")
		if ev.Entry.Level == log.EntryLevelError && !refused {
			said = ev.Entry.Text + " " + ev.Entry.URL
		}
	case *runtime.EventConsoleAPICalled:
		if ev.Type == runtime.ConsoleAPICalledTypeError {
			said = "console.error"
		}
	}
	if said != "" {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.errors = append(b.errors, said)
	}
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatalf("%s: %v", b.address(), err)
	}
}

func (b *tab) address() string {
	at, err := chromedp.Run(context.WithoutCancel(b.ctx), chromedp.Location())
	if err != nil {
		return "nowhere"
	}
	return strings.TrimPrefix(at, site)
}

// visit opens a page of the admin by its address, where a task begins.
func (b *tab) visit(path string) {
	b.t.Helper()
	b.clicks = 0
	b.do(chromedp.Navigate(site + path))
}

// patience is how long a page, or what a worker does, may take before it counts as lost.
const patience = 2 * time.Minute

// on waits for an element of the page that is expected, and checks the page.
func (b *tab) on(name, selector string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.WaitVisible(chromedp.CSS(selector))); err != nil {
		b.t.Fatalf("%s: at %s there is no %s: %v", name, b.address(), selector, err)
	}
	b.check(name)
}

// click clicks what the selector finds.
func (b *tab) click(selector string) {
	b.t.Helper()
	b.do(chromedp.Click(chromedp.CSS(selector)))
	b.clicks++
}

// fill replaces the text of a field.
func (b *tab) fill(selector, text string) {
	b.t.Helper()
	b.do(chromedp.SetValue(chromedp.CSS(selector), text))
}

// audit runs axe-core and returns what it finds, one line a violation.
const audit = `axe.run().then(r => r.violations.map(v => v.id + ": " + v.help + " (" + v.nodes.map(n => n.target.join(" ")).join(", ") + ")").join("\n"))`

// wideCards tells the cards that hold more than they show.
const wideCards = `[...document.querySelectorAll("main .card")].filter(e => e.scrollWidth > e.clientWidth + 1)
	.map(e => " " + (e.id || e.className) + " " + e.innerText.slice(0, 40)).join(";")`

// check wants of a page what every page owes.
func (b *tab) check(name string) {
	b.t.Helper()
	// The tools are scripts, also on a page that runs without.
	b.setScript(true)
	defer b.setScript(b.look.script)
	if _, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](axe+";true")); err != nil {
		b.t.Fatalf("%s: axe: %v", name, err)
	}
	found, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](audit, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s: axe: %v", name, err)
	}
	if found != "" {
		b.t.Errorf("%s: axe finds\n%s", name, found)
	}
	wide, err := chromedp.Run(b.ctx, chromedp.Evaluate[int64](`document.documentElement.scrollWidth`))
	if err != nil {
		b.t.Fatal(err)
	}
	if wide > b.look.width {
		b.t.Errorf("%s: it is %d px wide and scrolls sideways", name, wide)
	}
	cut, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](wideCards))
	if err != nil {
		b.t.Fatal(err)
	}
	if cut != "" {
		b.t.Errorf("%s: cards cut off what does not fit:%s", name, cut)
	}
	b.mu.Lock()
	complaints := b.errors
	b.errors = nil
	b.mu.Unlock()
	if len(complaints) > 0 {
		b.t.Errorf("%s: the console says\n%s", name, strings.Join(complaints, "\n"))
	}
	b.shoot(name)
}

// shoot keeps a picture of the page where ADMINKIT_SHOTS asks for it.
func (b *tab) shoot(name string) {
	b.t.Helper()
	dir := os.Getenv("ADMINKIT_SHOTS")
	if dir == "" {
		return
	}
	picture, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		b.t.Fatal(err)
	}
	file := url.PathEscape(strings.ReplaceAll(fmt.Sprintf("%s-%s.png", name, b.look), " ", "_"))
	if err := os.WriteFile(filepath.Join(dir, file), picture, 0o644); err != nil {
		b.t.Fatal(err)
	}
}
