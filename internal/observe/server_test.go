package observe

import (
	"testing"

	"github.com/salvor-project/salvor/internal/cluster"
)

// TestBestServer: whoever says how it is comes before who turns questions away.
func TestBestServer(t *testing.T) {
	api := func(url string, direct bool, refused int) cluster.APIServer {
		a := cluster.APIServer{URL: url, Direct: direct, Layer: cluster.LayerHTTP, Refused: refused}
		if refused == 0 {
			a.Ready = cluster.Is(cluster.APIHealth{OK: true})
		}
		return a
	}
	dead := cluster.APIServer{URL: "dead", Direct: true, Layer: cluster.LayerTCP}
	for _, c := range []struct {
		want string
		all  []cluster.APIServer
	}{
		{"", nil},
		{"", []cluster.APIServer{dead}},
		{"busy", []cluster.APIServer{dead, api("busy", true, 429)}},
		{"balancer", []cluster.APIServer{api("busy", true, 429), api("balancer", false, 0)}},
		{"closed", []cluster.APIServer{api("busy", true, 429), api("closed", false, 401)}},
		{"itself", []cluster.APIServer{api("balancer", false, 0), api("itself", true, 0), api("other", true, 0)}},
	} {
		if got := bestServer(c.all); got != c.want {
			t.Errorf("asked %q, not %q of %+v", got, c.want, c.all)
		}
	}
}
