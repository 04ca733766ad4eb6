package observe

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
)

// hashed is a host with one member that counts the questions for its hash.
type hashed struct {
	inUse        int64
	asked, alone *atomic.Int32
}

func (h hashed) Observe(_ context.Context, _ cluster.Config) (cluster.HostFacts, error) {
	return cluster.HostFacts{Reached: cluster.Is(cluster.HostInfo{}), Members: []cluster.MemberFacts{{Name: "m", Live: cluster.Is(cluster.LiveMember{Revision: 9, DBInUse: h.inUse})}}}, nil
}

func (h hashed) Changes(context.Context, cluster.Config, []int64) (map[string][]cluster.Changes, error) {
	return nil, nil
}

func (h hashed) HashAt(_ context.Context, _ cluster.Config, _ string, revision int64) (cluster.HashKV, error) {
	if h.alone.Add(1) > 1 {
		h.asked.Add(100)
	}
	defer h.alone.Add(-1)
	time.Sleep(20 * time.Millisecond)
	h.asked.Add(1)
	return cluster.HashKV{Revision: revision, Hash: 7}, nil
}

// TestHashesAreNotAskedOfLargeMembers: the question stalls writes. It is put
// where nobody notices or somebody wants it, to one member after the other.
func TestHashesAreNotAskedOfLargeMembers(t *testing.T) {
	for _, c := range []struct {
		name    string
		largest int64
		wanted  Hashes
		asked   int32
		why     string
	}{
		{"small", 1 << 20, HashSmall, 3, ""},
		{"large", 3 << 30, HashSmall, 0, "3072 MiB"},
		{"large, asked for", 3 << 30, HashAll, 3, ""},
		{"small, again and again", 1 << 20, HashNone, 0, "again and again"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var asked, alone atomic.Int32
			var hosts []Reached
			for _, size := range []int64{1 << 20, c.largest, 1 << 20} {
				hosts = append(hosts, Reached{Asker: hashed{size, &asked, &alone}})
			}
			f := Gather(t.Context(), cluster.Config{}, hosts, time.Now(), 5*time.Second, c.wanted)
			if asked.Load() != c.asked {
				t.Errorf("asked %d times (100 more for each two at once), want %d", asked.Load(), c.asked)
			}
			for _, h := range f.Hosts {
				l := h.Members[0].Live.Value
				if l.CommonHash.OK != (c.asked > 0) || !strings.Contains(l.HashSkipped, c.why) || (c.why == "") != (l.HashSkipped == "") {
					t.Errorf("hash %+v, skipped %q", l.CommonHash, l.HashSkipped)
				}
			}
		})
	}
}
