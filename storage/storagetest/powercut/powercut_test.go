package powercut_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/lumelle/adminkit/storage/storagetest/powercut"
	"github.com/lumelle/adminkit/storage/storagetest/process"
)

func TestMain(m *testing.M) {
	process.Main(process.Roles{"journal": journal, "renaming": renaming})
	goleak.VerifyTestMain(m)
}

// journal writes numbered lines of 1000 bytes into a file and says the numbers. With
// "sync" it syncs before it says them.
func journal(ctx context.Context, args []string) error {
	f, err := os.OpenFile(filepath.Join(args[0], "journal"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	for n := 1; ctx.Err() == nil; n++ {
		if _, err := f.WriteAt(entry(n), int64(n-1)*1000); err != nil {
			return err
		}
		if args[1] == "sync" {
			if err := f.Sync(); err != nil {
				return err
			}
		}
		process.Say(fmt.Sprint(n))
	}
	return nil
}

func entry(n int) []byte { return fmt.Appendf(nil, "%999d\n", n) }

func renaming(ctx context.Context, args []string) error {
	if err := os.Rename(filepath.Join(args[0], "a"), filepath.Join(args[0], "b")); err != nil {
		return err
	}
	process.Say("renamed")
	<-ctx.Done()
	return nil
}

// available skips a test where nothing can be recorded, and fails it where that is
// forbidden.
func available(t *testing.T) {
	t.Helper()
	if err := powercut.Available(); err != nil {
		if os.Getenv("ADMINKIT_STRICT") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
}

// missing counts the cuts in which an acknowledged line is not there.
func missing(t *testing.T, how string) (lost, partial int) {
	t.Helper()
	dir := t.TempDir()
	trace, err := powercut.Record(dir, process.Config{Role: "journal", Args: []string{dir, how}}, 100)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(trace.Said()); n < 100 {
		t.Fatalf("%d lines were recorded, want 100 at least", n)
	}
	for cut := range trace.Cuts(200, 1) {
		var want []byte
		for i := range cut.Said {
			want = append(want, entry(i+1)...)
		}
		got := string(cut.Files()["journal"])
		if !strings.HasPrefix(got, string(want)) {
			lost++
		}
		if len(got) > len(want) {
			partial++
		}
	}
	return lost, partial
}

func TestWhatWasSyncedSurvives(t *testing.T) {
	available(t)
	lost, partial := missing(t, "sync")
	if lost != 0 {
		t.Errorf("%d of 200 cuts lost what was acknowledged after a sync", lost)
	}
	if partial == 0 {
		t.Error("no cut had content that was written and not acknowledged")
	}
}

func TestWhatWasNotSyncedIsLost(t *testing.T) {
	available(t)
	if lost, _ := missing(t, "careless"); lost < 150 {
		t.Errorf("%d of 200 cuts lost what was acknowledged without a sync, want nearly all", lost)
	}
}

func TestACallThatCannotBeReplayedIsAnError(t *testing.T) {
	available(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := powercut.Record(dir, process.Config{Role: "renaming", Args: []string{dir}}, 1)
	if err == nil || !strings.Contains(err.Error(), "rename") {
		t.Errorf("Record = %v, want the rename", err)
	}
}

func TestAChildThatEndsEarlyIsAnError(t *testing.T) {
	available(t)
	if _, err := powercut.Record(t.TempDir(), process.Config{Role: "nobody"}, 1); err == nil || !strings.Contains(err.Error(), "no role") {
		t.Errorf("Record = %v, want the child's reason", err)
	}
}

// x is text as strace -xx writes it.
func x(s string) string {
	var b strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&b, `\x%02x`, s[i])
	}
	return b.String()
}

// parse reads lines about /d, in which F stands for the descriptor of /d/f and O for one
// elsewhere, and each quoted text for its hexadecimal digits.
func parse(lines ...string) (*powercut.Trace, error) {
	var b strings.Builder
	for _, line := range lines {
		line = strings.NewReplacer("(F", "(7<"+x("/d/f")+">", "(O", "(8<"+x("/elsewhere")+">", "(1,", "(1<"+x("pipe:[1]")+">,").Replace(line)
		for i, part := range strings.Split(line, `"`) {
			if i%2 == 1 {
				part = `"` + x(part) + `"`
			}
			b.WriteString(part)
		}
		b.WriteString("\n")
	}
	return powercut.Parse(strings.NewReader(b.String()), "/d")
}

// endings returns the different states that cuts leave, each "LINES|CONTENT OF f", with
// "-" where f is not there.
func endings(trace *powercut.Trace, partial bool) []string {
	var all []string
	for cut := range trace.Cuts(2000, 1) {
		if cut.Partial != partial {
			continue
		}
		content, ok := cut.Files()["f"]
		if !ok {
			content = []byte("-")
		}
		state := fmt.Sprintf("%d|%s", len(cut.Said), content)
		if !slices.Contains(all, state) {
			all = append(all, state)
		}
	}
	slices.Sort(all)
	return all
}

func TestARecordingIsReplayedCallByCall(t *testing.T) {
	const opened = `1 openat(AT_FDCWD, "/d/f", O_RDWR|O_CREAT|O_CLOEXEC, 0600) = 7<\x2f\x64\x2f\x66>`
	for _, c := range []struct {
		name             string
		lines            []string
		durable, partial []string
	}{
		{
			"content is durable after its sync",
			[]string{opened, `1 pwrite64(F, "ab", 2, 0) = 2`, `1 fsync(F) = 0`, `1 write(1, "1` + "\n" + `", 2) = 2`},
			[]string{"0|", "0|-", "0|ab", "1|ab"}, []string{"0|", "0|-", "0|ab", "1|ab"},
		},
		{
			"a failed sync makes nothing durable",
			[]string{opened, `1 pwrite64(F, "ab", 2, 0) = 2`, `1 fsync(F) = -1 EIO (Input/output error)`, `1 write(1, "1` + "\n" + `", 2) = 2`},
			[]string{"0|", "0|-", "1|"}, []string{"0|", "0|-", "0|ab", "1|", "1|ab"},
		},
		{
			"a sync does not cover what was written after it began",
			[]string{
				opened, `1 pwrite64(F, "ab", 2, 0) = 2`, `1 fsync(F <unfinished ...>`, `2 pwrite64(F, "c", 1, 2) = 1`,
				`1 <... fsync resumed>) = 0`, `1 write(1, "1` + "\n" + `", 2) = 2`,
			},
			[]string{"0|", "0|-", "0|ab", "1|ab"}, []string{"0|", "0|\x00\x00c", "0|-", "0|ab", "0|abc", "1|ab", "1|abc"},
		},
		{
			"a line counts from its beginning",
			[]string{
				opened, `1 write(1, "1` + "\n" + `", 2 <unfinished ...>`, `2 pwrite64(F, "a", 1, 0) = 1`, `2 fsync(F) = 0`,
				`1 <... write resumed>) = 2`,
			},
			[]string{"0|", "0|-", "1|", "1|a"}, []string{"0|", "0|-", "1|", "1|a"},
		},
		{
			"a short write has written what it says",
			[]string{opened, `1 pwrite64(F, "abc", 3, 0) = 2`, `1 fdatasync(F) = 0`},
			[]string{"0|", "0|-", "0|ab"}, []string{"0|", "0|-", "0|ab"},
		},
		{
			"appended writes follow each other",
			[]string{
				strings.Replace(opened, "O_CREAT", "O_CREAT|O_APPEND", 1), `1 write(F, "a", 1) = 1`, `1 write(F, "b", 1) = 1`, `1 fsync(F) = 0`,
			},
			[]string{"0|", "0|-", "0|ab"}, []string{"0|", "0|\x00b", "0|-", "0|a", "0|ab"},
		},
		{
			"a truncation waits for its sync",
			[]string{opened, `1 pwrite64(F, "ab", 2, 0) = 2`, `1 fsync(F) = 0`, `1 ftruncate(F, 1) = 0`},
			[]string{"0|", "0|-", "0|ab"}, []string{"0|", "0|-", "0|a", "0|ab"},
		},
		{
			"a removed file is gone",
			[]string{opened, `1 unlink("/d/f") = 0`, `1 fsync(F) = 0`},
			[]string{"0|", "0|-"}, []string{"0|", "0|-"},
		},
		{
			"a file that is mapped for writing is left out",
			[]string{opened, strings.ReplaceAll(`1 mmap(NULL, 32768, PROT_READ|PROT_WRITE, MAP_SHARED, @, 0) = 0x7f0000000000`, "@", "7<"+x("/d/f")+">")},
			[]string{"0|", "0|-"}, []string{"0|", "0|-"},
		},
		{
			"files elsewhere and other calls do not count",
			[]string{
				`1 openat(AT_FDCWD, "/elsewhere", O_RDWR, 0) = 8<\x2f\x65>`, `1 pwrite64(O, "a", 1, 0) = 1`, `1 fsync(O) = 0`,
				`1 --- SIGURG {si_signo=SIGURG, si_code=SI_TKILL} ---`, `1 pwrite64(F, "a", 1, 0 <unfinished ...>`, `1 +++ exited with 0 +++`,
			},
			[]string{"0|-"}, []string{"0|-"},
		},
	} {
		trace, err := parse(c.lines...)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := endings(trace, false); !slices.Equal(got, c.durable) {
			t.Errorf("%s: durable endings %q, want %q", c.name, got, c.durable)
		}
		// A torn write of less than a sector is an empty one.
		got := slices.DeleteFunc(endings(trace, true), func(s string) bool { return !slices.Contains(c.partial, s) && strings.Contains(s, "\x00") })
		if !slices.Equal(got, c.partial) {
			t.Errorf("%s: partial endings %q, want %q", c.name, got, c.partial)
		}
	}
}

func TestATornWriteEndsAtASector(t *testing.T) {
	long := strings.Repeat("a", 1500)
	trace, err := parse(`1 pwrite64(F, "` + long + `", 1500, 0) = 1500`)
	if err != nil {
		t.Fatal(err)
	}
	sizes := map[int]bool{}
	for cut := range trace.Cuts(2000, 1) {
		sizes[len(cut.Files()["f"])] = true
	}
	for size := range sizes {
		if size != 1500 && size%512 != 0 {
			t.Errorf("a write of 1500 bytes left %d", size)
		}
	}
	if !sizes[0] || !sizes[512] || !sizes[1024] || !sizes[1500] {
		t.Errorf("sizes %v, want each of 0, 512, 1024 and 1500", sizes)
	}
}

func TestARecordingThatCannotBeReplayedIsRefused(t *testing.T) {
	for _, line := range []string{
		`no trace at all`,
		`1 nonsense`,
		`1 <... fsync resumed>) = 0`,
		`1 write(F, "a", 1) = 1`, // nobody knows where
		`1 pwrite64(F, "a", 1, 0) = 2`,
		`1 pwrite64(F, NULL, 1, 0) = 1`,
		`1 pwrite64(F, "a", 1) = 1`,
		`1 pwrite64(F, "a", 1, 2000000000) = 1`,
		`1 ftruncate(F, -1) = 0`,
		`1 ftruncate(F, 2000000000) = 0`,
		`1 pwritev(F, [{iov_base="a", iov_len=1}], 1, 0) = 1`,
		`1 fallocate(F, 0, 0, 4096) = 0`,
		`1 renameat(AT_FDCWD, "/d/f", AT_FDCWD, "/d/g") = 0`,
		`1 link("/elsewhere", "/d/g") = 0`,
	} {
		if _, err := parse(line); err == nil {
			t.Errorf("%s was taken in", line)
		}
	}
	if _, err := powercut.Parse(strings.NewReader(`1 write(1<>, "\x61"..., 100) = 100`+"\n"), "/d"); err == nil {
		t.Error("a string that was recorded in part was taken in")
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`1 pwrite64(7<` + x("/d/f") + `>, "` + x("ab") + `", 2, 0) = 2` + "\n" + `1 fsync(7<` + x("/d/f") + ` <unfinished ...>` + "\n1 <... fsync resumed>) = 0\n")
	f.Add(`1 mmap(NULL, 1, PROT_WRITE, MAP_SHARED, 7<` + x("/d/f") + ">(deleted), 0) = 0x1\n")
	f.Add(`1 openat(3<` + x("/d") + `>, "` + x("f") + `", O_CREAT|O_APPEND) = 7<` + x("/d/f") + ">\n" + `1 write(7<` + x("/d/f") + `>, "", 0) = 0` + "\n")
	f.Fuzz(func(t *testing.T, text string) {
		trace, err := powercut.Parse(strings.NewReader(text), "/d")
		if err != nil {
			return
		}
		trace.Said()
	})
}
