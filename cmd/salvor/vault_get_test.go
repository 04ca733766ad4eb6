package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/salvor-project/salvor/internal/backup"
	"github.com/salvor-project/salvor/internal/vault/catalog"
)

// TestGetNamesWhatHoldsMore: the newest proven backup is taken, and one that holds
// more is not passed over in silence, whether no proof has tried it or a clock was
// set back between the two.
func TestGetNamesWhatHoldsMore(t *testing.T) {
	of := func(id, etcd string, revision int64, proven bool) backup.Candidate {
		c := backup.Candidate{ID: id, Cluster: catalog.Cluster{ID: etcd}, Revision: revision, Here: []string{"disk"}}
		if proven {
			c.Proven = &catalog.Proof{}
		}
		return c
	}
	failed := of("failed", "e1", 99, false)
	failed.Failed = true
	chosen := of("chosen", "e1", 10, true)
	for name, k := range map[string]struct {
		others []backup.Candidate
		want   string
	}{
		"none holds more": {[]backup.Candidate{of("old", "e1", 9, true), of("same", "e1", 10, false), failed, of("other", "e2", 50, true)}, ""},
		"unproven":        {[]backup.Candidate{of("new", "e1", 12, false), of("newer", "e1", 15, false)}, "backup newer holds more, up to revision 15 and not only 10; it is not proven"},
		"clock":           {[]backup.Candidate{of("late", "e1", 12, true)}, "a clock was set back"},
	} {
		var err bytes.Buffer
		a := &app{err: &err}
		a.noteFurther(chosen, append([]backup.Candidate{chosen}, k.others...))
		if (k.want == "") != (err.Len() == 0) || !strings.Contains(err.String(), k.want) {
			t.Errorf("%s: %q", name, err.String())
		}
	}
}
