package diagnose

import (
	"fmt"
	"slices"
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

// apiAnswers tells whether a host's own API server answers HTTP, ready or not.
func (v view) apiAnswers(host string) bool {
	return slices.ContainsFunc(v.apis(true), func(a apiView) bool { return a.host == host && a.api.Layer == cluster.LayerHTTP })
}

// apiLacksEtcd tells whether a host's own API server fails the checks of etcd,
// and no other.
func (v view) apiLacksEtcd(host string) bool {
	return slices.ContainsFunc(v.apis(true), func(a apiView) bool {
		failed := a.api.Ready.Value.Failed
		return a.host == host && a.api.Ready.OK && len(failed) > 0 &&
			!slices.ContainsFunc(failed, func(check string) bool { return !ofEtcd(check) })
	})
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

// here is what the coordinator's machine is called in a finding.
const here = "salvor"

// outside are the ways that the coordinator itself tried.
func (v view) outside(direct bool) []apiView {
	var out []apiView
	for _, a := range v.facts.Outside {
		if a.Direct == direct && a.Layer != "" {
			out = append(out, apiView{here, a})
		}
	}
	return out
}

// seesOutside tells whether the coordinator reaches an API server that is
// ready: only then does a load balancer that it cannot reach say something of
// the load balancer.
func (v view) seesOutside() bool {
	for _, a := range v.outside(true) {
		if ready(a.api) {
			return true
		}
	}
	return false
}

// balancers are the ways over a load balancer, from the machines and from the
// coordinator, without addresses that are those of one API server.
func (v view) balancers() []apiView {
	direct := map[string]bool{}
	for _, a := range append(v.apis(true), v.outside(true)...) {
		direct[a.api.URL] = true
	}
	var out []apiView
	for _, a := range append(v.apis(false), v.outside(false)...) {
		if !direct[a.api.URL] {
			out = append(out, a)
		}
	}
	return out
}

// findBalancerDown finds addresses that lead to no API server although one is
// ready when it is asked directly. One that machines reach and the coordinator
// does not is not down.
func findBalancerDown(v view) []sighting {
	var out []sighting
	at := map[string]int{}
	for _, a := range v.balancers() {
		alive := v.serving()
		if a.host == here {
			if alive = 0; v.seesOutside() && !v.reachedInside(a.api.URL) {
				alive = len(v.outside(true))
			}
		}
		why := a.api.Why
		if v.strange(a.api) {
			why = fmt.Sprintf("no API server of this control plane: it shows %s of %s, and knows no /readyz", a.api.Certificate.Value.Subject, a.api.Certificate.Value.Issuer)
		} else if a.api.Layer == cluster.LayerHTTP {
			continue
		}
		if alive == 0 || v.cutOff(a.host) && v.reachedInside(a.api.URL) {
			continue
		}
		line := fmt.Sprintf("from %s: %s (%s): %s works, then: %s", a.host, a.api.URL, a.api.Named, a.api.Layer, why)
		if i, told := at[a.api.URL]; told {
			out[i].evidence = append(out[i].evidence, line)
			continue
		}
		at[a.api.URL] = len(out)
		out = append(out, sighting{a.api.URL, []any{a.host, a.api.Layer, why, alive},
			[]string{fmt.Sprintf("asked directly, %d API server(s) are ready", alive), line}})
	}
	return out
}

// reachedInside tells whether a machine reaches an address, and whether any
// tried.
func (v view) reachedInside(u string) bool {
	for _, a := range v.apis(false) {
		if a.api.URL == u && a.api.Layer == cluster.LayerHTTP && !v.strange(a.api) {
			return true
		}
	}
	return false
}

// cutOff tells that a machine's member is alone while others have a quorum: what
// else that machine does not reach says nothing of the others.
func (v view) cutOff(host string) bool {
	for _, m := range v.with(StateNoQuorum) {
		if v.alive && m.cfg.Host == host {
			return true
		}
	}
	return false
}

// findBalancerNotFromUs finds addresses that the machines reach and the
// coordinator, which reaches the API servers themselves, does not: a firewall,
// a name or a route between.
func findBalancerNotFromUs(v view) []sighting {
	var out []sighting
	told := map[string]bool{}
	for _, a := range v.outside(false) {
		if a.api.Layer == cluster.LayerHTTP || told[a.api.URL] || !v.seesOutside() || !v.reachedInside(a.api.URL) {
			continue
		}
		told[a.api.URL] = true
		out = append(out, sighting{a.api.URL, []any{a.api.Layer, a.api.Why},
			[]string{fmt.Sprintf("from the coordinator: %s: %s works, then: %s; the machines reach it, and the coordinator reaches API servers directly", a.api.URL, a.api.Layer, a.api.Why)}})
	}
	return out
}

// findBalancerUnready finds that a load balancer leads to an API server that
// says of itself that it is not ready, although another one is.
func findBalancerUnready(v view) []sighting {
	var out []sighting
	for _, a := range v.balancers() {
		if a.api.Ready.OK && !a.api.Ready.Value.OK && v.serving() > 0 && !v.strange(a.api) {
			out = append(out, sighting{a.api.URL, []any{a.host, v.serving()},
				[]string{fmt.Sprintf("from %s: %s/readyz says %d (%s); %d API server(s) are ready", a.host, a.api.URL, a.api.Ready.Value.Status,
					strings.Join(a.api.Ready.Value.Failed, ", "), v.serving())}})
		}
	}
	return merged(out)
}

// findBalancerOther finds an address behind which a certificate is shown that
// no API server of this control plane has: another cluster answers there.
func findBalancerOther(v view) []sighting {
	var out []sighting
	for _, a := range append(v.apis(false), v.outside(false)...) {
		if c := a.api.Certificate; v.foreignIssuer(a.api) {
			out = append(out, sighting{a.api.URL, []any{c.Value.Subject, c.Value.Issuer},
				[]string{fmt.Sprintf("from %s: %s shows %s of %s", a.host, a.api.URL, c.Value.Subject, c.Value.Issuer)}})
		}
	}
	return merged(out)
}

// foreignIssuer tells that a certificate is shown that was issued by nobody who
// issued those of the API servers: by name, and, where those of the API servers
// are of the machines' own authority, by its key (all kubeadm's authorities have
// the same name).
func (v view) foreignIssuer(a cluster.APIServer) bool {
	issuers, own := map[string]bool{}, true
	for _, x := range v.apis(true) {
		if c := x.api.Certificate; c.OK {
			issuers[c.Value.Issuer] = true
			own = own && !c.Value.Stranger
		}
	}
	c := a.Certificate
	return len(issuers) > 0 && c.OK && (!issuers[c.Value.Issuer] || own && c.Value.Stranger)
}

// strange tells that somebody answers who is no API server: neither the
// certificate nor the answer, which names no checks, is one's.
func (v view) strange(a cluster.APIServer) bool {
	checks := len(a.Ready.Value.Failed) + a.Ready.Value.Passed
	return a.Layer == cluster.LayerHTTP && !ready(a) && checks == 0 && v.foreignIssuer(a)
}
