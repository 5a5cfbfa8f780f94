package main

import (
	"testing"

	"github.com/anishathalye/porcupine"
)

// On Postgres a claim looks for due jobs as they were when it began, and for owners as they
// are when it gets to the lane.
func TestALaneIsTakenAfterItsJobWasDoneByNobodyElse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		ended  bool   // whether the owner that settled was
		answer string // of the claim that began before it settled
		fits   bool
	}{
		{"the owner settled and was ended meanwhile", true, idle, true},
		{"the job is there although it was settled", true, yes, false},
		{"the owner lives", false, idle, false},
	} {
		operations := []porcupine.Operation{
			{ClientId: 0, Input: claimCall{"claim", 1}, Call: 1, Output: yes, Return: 2},
			{ClientId: 1, Input: claimCall{"claim", 2}, Call: 3, Output: c.answer, Return: 10},
			{ClientId: 0, Input: claimCall{"settle", 1}, Call: 4, Output: yes, Return: 5},
		}
		if c.ended {
			operations = append(operations, porcupine.Operation{ClientId: 2, Input: claimCall{"end", 1}, Call: 6, Output: yes, Return: 7})
		}
		if fits := porcupine.CheckOperations(claimModel, operations); fits != c.fits {
			t.Errorf("%s: linearizable is %t, want %t", c.name, fits, c.fits)
		}
	}
}
