package diagnose

import (
	"fmt"
	"slices"
	"strings"

	"github.com/salvor-project/salvor/internal/cluster"
)

// tooMany is the HTTP status of an answer to one request too many.
const tooMany = 429

// turnedAway tells the answer of an API server that has no room for a request:
// its filters say 429 before anything looks at what was asked. Storage that is
// not there yet, an etcd with too much to do, and evictions say 429 too, in other
// words.
func turnedAway(why string) bool {
	return strings.Contains(why, fmt.Sprintf("status %d: ", tooMany)) && strings.Contains(why, "Too many requests, please try again later")
}

// findOverloaded finds API servers that answer and turn requests away: Salvor's
// own now, or those of kubelet, controllers and scheduler, which ask ten times
// before they say a word, and again every minute.
func findOverloaded(v view) []sighting {
	var out []sighting
	for _, a := range v.apis(true) {
		if a.api.Layer == cluster.LayerHTTP && a.api.Refused == tooMany {
			out = append(out, sighting{a.host, []any{"Salvor", "status 429"}, []string{fmt.Sprintf("%s/readyz: status 429", a.api.URL)}})
		}
	}
	for _, o := range v.objects() {
		var refused []string
		for _, why := range objectsFact(o.APIObjects) {
			if turnedAway(why) {
				refused = append(refused, why)
			}
		}
		if len(refused) > 0 {
			out = append(out, sighting{o.host, []any{"Salvor", "status 429"}, refused})
		}
	}
	if v.anyAnswers() {
		out = append(out, gatherSigns(slices.DeleteFunc(often(v.said(cluster.SaidTooManyRequests), refusals), said.past))...)
	}
	return merged(out)
}

// anyAnswers tells whether any API server answers HTTP, ready or not.
func (v view) anyAnswers() bool {
	return slices.ContainsFunc(v.apis(true), func(a apiView) bool { return a.api.Layer == cluster.LayerHTTP })
}

// rateOverloaded is certain where Salvor met now what the logs tell of; what it
// met alone may be a burst of a second.
func rateOverloaded(v view, s sighting) (Confidence, []string) {
	confidence, against := rateSign(v, s)
	met := slices.ContainsFunc(s.evidence, func(e string) bool { return turnedAway(e) || strings.HasSuffix(e, "/readyz: status 429") })
	switch {
	case met && confidence == Likely:
		return Certain, nil
	case met:
		return Likely, []string{"Salvor asked each thing once: a burst of a second looks the same"}
	}
	return confidence, against
}
