package datadir

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestKeySorter: keys come in their order, however little of them fits in
// memory, each with its place.
func TestKeySorter(t *testing.T) {
	for _, limit := range []int{1, 100, 5000, 1 << 20} {
		random := rand.New(rand.NewPCG(1, uint64(limit)))
		s := &keySorter{limit: limit}
		want := map[place]string{}
		for i := range 500 {
			key := fmt.Sprintf("%0*d", 1+random.IntN(40), random.IntN(1<<40))
			at := place{page: uint64(random.IntN(1 << 30)), index: i}
			want[at] = key
			if err := s.add([]byte(key), at); err != nil {
				t.Fatal(err)
			}
		}
		var got []string
		if err := s.each(func(at place) error { got = append(got, want[at]); return nil }); err != nil {
			t.Fatal(err)
		}
		s.close()
		if len(got) != 500 || !slices.IsSorted(got) || slices.Contains(got, "") {
			t.Errorf("with %d bytes: %d keys, sorted %v", limit, len(got), slices.IsSorted(got))
		}
	}
}
