package diagnose

import (
	"fmt"
	"strings"

	"github.com/salvor-project/salvor/internal/cluster"
)

// apiView is one way to an API server, from one host.
type apiView struct {
	host string
	api  cluster.APIServer
}

// apis are the ways that were tried: direct ones, or those through something
// else.
func (v view) apis(direct bool) []apiView {
	var out []apiView
	for _, h := range v.facts.Hosts {
		for _, a := range h.Node.APIServers {
			if h.Reached.OK && a.Direct == direct && a.Layer != "" {
				out = append(out, apiView{h.Name, a})
			}
		}
	}
	return out
}

func ready(a cluster.APIServer) bool { return a.Ready.OK && a.Ready.Value.OK }

// apiReady tells whether a host's own API server says that it is ready.
func (v view) apiReady(host string) bool {
	for _, a := range v.apis(true) {
		if a.host == host && ready(a.api) {
			return true
		}
	}
	return false
}

func findAPIDown(v view) []sighting {
	var out []sighting
	for _, a := range v.apis(true) {
		if a.api.Layer == cluster.LayerNone {
			out = append(out, sighting{a.host, []any{a.api.URL, a.api.Why}, []string{fmt.Sprintf("%s: no TCP connection: %s", a.api.URL, a.api.Why)}})
		}
	}
	return out
}

// findAPIHangs finds API servers that accept a connection and then say
// nothing, or cannot agree on TLS.
func findAPIHangs(v view) []sighting {
	var out []sighting
	for _, a := range v.apis(true) {
		if a.api.Layer == cluster.LayerTCP || a.api.Layer == cluster.LayerTLS {
			out = append(out, sighting{a.host, []any{a.api.URL, a.api.Layer, a.api.Why}, []string{fmt.Sprintf("%s: %s works, then: %s", a.api.URL, a.api.Layer, a.api.Why)}})
		}
	}
	return out
}

func findAPINotReady(v view) []sighting {
	var out []sighting
	for _, a := range v.apis(true) {
		health, path := a.api.Ready, "readyz"
		if !health.OK {
			health, path = a.api.Live, "livez" // what does not live is not ready
		}
		if a.api.Layer != cluster.LayerHTTP || !health.OK || health.Value.OK {
			continue
		}
		failed := strings.Join(health.Value.Failed, ", ")
		out = append(out, sighting{a.host, []any{a.api.URL, failed},
			[]string{fmt.Sprintf("%s/%s: status %d, failed: %s, passed: %d", a.api.URL, path, health.Value.Status, failed, health.Value.Passed)}})
	}
	return out
}

// serving counts the API servers that are ready, asked directly.
func (v view) serving() int {
	n := 0
	for _, a := range v.apis(true) {
		if ready(a.api) {
			n++
		}
	}
	return n
}

// findBalancerDown finds addresses that lead to no API server although one is
// ready when it is asked directly.
func findBalancerDown(v view) []sighting {
	var out []sighting
	told := map[string]bool{}
	for _, a := range v.apis(false) {
		if a.api.Layer == cluster.LayerHTTP || told[a.api.URL] || v.serving() == 0 || v.isDirect(a.api.URL) {
			continue
		}
		told[a.api.URL] = true
		out = append(out, sighting{a.api.URL, []any{a.host, a.api.Layer, a.api.Why, v.serving()},
			[]string{fmt.Sprintf("from %s: %s (%s): %s", a.host, a.api.URL, a.api.Named, a.api.Why), fmt.Sprintf("asked directly, %d API server(s) are ready", v.serving())}})
	}
	return out
}

// isDirect tells whether an address is that of one API server itself: where
// there is no load balancer, kubeconfigs name one of them.
func (v view) isDirect(u string) bool {
	for _, a := range v.apis(true) {
		if a.api.URL == u {
			return true
		}
	}
	return false
}

// findBalancerUnready finds that a load balancer leads to an API server that
// says of itself that it is not ready, although another one is.
func findBalancerUnready(v view) []sighting {
	var out []sighting
	for _, a := range v.apis(false) {
		if a.api.Ready.OK && !a.api.Ready.Value.OK && v.serving() > 0 && !v.isDirect(a.api.URL) {
			out = append(out, sighting{a.api.URL, []any{a.host, v.serving()},
				[]string{fmt.Sprintf("from %s: %s/readyz says %d (%s); %d API server(s) are ready", a.host, a.api.URL, a.api.Ready.Value.Status,
					strings.Join(a.api.Ready.Value.Failed, ", "), v.serving())}})
		}
	}
	return out
}

// findBalancerOther finds an address behind which a certificate is shown that
// no API server of this control plane has: another cluster answers there.
func findBalancerOther(v view) []sighting {
	issuers := map[string]bool{}
	for _, a := range v.apis(true) {
		if a.api.Certificate.OK {
			issuers[a.api.Certificate.Value.Issuer] = true
		}
	}
	var out []sighting
	for _, a := range v.apis(false) {
		c := a.api.Certificate
		if len(issuers) > 0 && c.OK && !issuers[c.Value.Issuer] {
			out = append(out, sighting{a.api.URL, []any{c.Value.Subject, c.Value.Issuer},
				[]string{fmt.Sprintf("from %s: %s shows %s of %s", a.host, a.api.URL, c.Value.Subject, c.Value.Issuer)}})
		}
	}
	return out
}
