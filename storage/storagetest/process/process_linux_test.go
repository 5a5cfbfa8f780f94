package process_test

import (
	"os"
	"strings"
	"testing"
	"time"
)

func TestAChildsChildEndsWithItsParent(t *testing.T) {
	p := start(t, "parent")
	id, err := p.Line()
	if err != nil {
		t.Fatal(err, p.Stderr())
	}
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	// It is reaped by the system, or stays behind as a zombie where nothing reaps.
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		status, err := os.ReadFile("/proc/" + id + "/stat")
		if err != nil || strings.Contains(string(status), ") Z ") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the child of a killed process lives on")
		}
	}
}

func TestAPausedChildGoesOnWhereItStood(t *testing.T) {
	p := start(t, "counter")
	if _, err := p.Line(); err != nil {
		t.Fatal(err)
	}
	if err := p.Pause(); err != nil {
		t.Fatal(err)
	}
	if err := p.Continue(); err != nil {
		t.Fatal(err)
	}
	if lines, err := p.KillAfter(time.Millisecond); err != nil || lines[0] != "2" {
		t.Errorf("after a pause the child said %q ..., %v", lines[0], err)
	}
}
