package remote

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/kube"
)

// APIObjects is what the API has of the steady objects of the source.
type APIObjects struct {
	// Objects counts them; Missing are kinds of which some are not there, with
	// their names.
	Objects cluster.Known[int64] `json:"objects"`
	Missing []string             `json:"missing,omitempty"`
	// More are kinds with objects that were made since the recovery began, and
	// Gone those with objects that were removed since: from a cluster that served
	// all the while, or by Kubernetes itself because their time had passed. Everything else is exactly as many as in the source.
	More []string `json:"more,omitempty"`
	Gone []string `json:"gone,omitempty"`
	// Strange are kinds with objects that are older than the recovery and that
	// the source does not have.
	Strange []string `json:"strange,omitempty"`
}

const (
	// namesLimit is how many objects of one kind are compared by name where
	// their number differs; of more only the number is compared.
	namesLimit = 5000
	// clocksApart is how much the clocks of machines may differ.
	clocksApart = 5 * time.Minute
)

// compareObjects holds the API against the source: as many objects of each kind,
// and, where the numbers differ, which ones. What was made since is no fault,
// nor what was removed since from a cluster that never ceased to serve.
func compareObjects(ctx context.Context, c *kube.Client, source map[string][]string, r APIRequest) APIObjects {
	var sum int64
	var out APIObjects
	for _, s := range kube.Steady() {
		want := source[s.Stored]
		if len(want) == 0 {
			continue
		}
		got, ok, err := c.Count(ctx, s.Path)
		if err != nil {
			return APIObjects{Objects: cluster.Unknown[int64]("%v", err)}
		}
		if !ok {
			continue // this version does not serve it
		}
		sum += got
		if got == int64(len(want)) {
			continue
		}
		if max(got, int64(len(want))) > namesLimit {
			out.number(s.Stored, got, int64(len(want)), r.Living)
			continue
		}
		there, err := c.Names(ctx, s.Path)
		if err != nil {
			return APIObjects{Objects: cluster.Unknown[int64]("%v", err)}
		}
		out.differ(s.Stored, want, there, r)
	}
	out.Objects = cluster.Is(sum)
	return out
}

// number judges a kind of which there are too many to be named.
func (o *APIObjects) number(kind string, got, want int64, living bool) {
	line := fmt.Sprintf("%s: %d of %d", kind, got, want)
	switch {
	case got > want:
		o.More = append(o.More, fmt.Sprintf("%s: %d more", kind, got-want))
	case living:
		o.Gone = append(o.Gone, line)
	default:
		o.Missing = append(o.Missing, line)
	}
}

// differ judges a kind by the names of its objects.
func (o *APIObjects) differ(kind string, want []string, there []kube.Name, r APIRequest) {
	has := map[string]bool{}
	for _, n := range there {
		has[n.Name] = true
	}
	var missing, more, strange []string
	for _, name := range want {
		if !has[name] {
			missing = append(missing, name)
		}
	}
	expected := map[string]bool{}
	for _, name := range want {
		expected[name] = true
	}
	for _, n := range there {
		switch {
		case expected[n.Name]:
		case n.Created.Before(r.Before.Add(-clocksApart)):
			strange = append(strange, n.Name)
		default:
			more = append(more, n.Name)
		}
	}
	add := func(list *[]string, names []string) {
		if len(names) > 0 {
			*list = append(*list, kind+": "+some(names))
		}
	}
	if r.Living {
		add(&o.Gone, missing)
	} else {
		own := func(name string) bool { return kind == "secrets" && passing(name) }
		add(&o.Gone, slices.DeleteFunc(slices.Clone(missing), func(name string) bool { return !own(name) }))
		add(&o.Missing, slices.DeleteFunc(missing, own))
	}
	add(&o.More, more)
	add(&o.Strange, strange)
}

// passing tells of a secret that the controller manager itself removes as soon
// as it runs and the time written in it has passed (pkg/controller/bootstrap,
// tokencleaner): of an old backup it always has.
func passing(name string) bool {
	return strings.HasPrefix(name, "kube-system/bootstrap-token-") || name == "kube-system/kubeadm-certs"
}

// some names a few.
func some(names []string) string {
	const few = 5
	slices.Sort(names)
	if len(names) <= few {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:few], ", "), len(names)-few)
}
