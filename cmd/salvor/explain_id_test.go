package main

import (
	"strings"
	"testing"

	"github.com/salvor-project/salvor/internal/say"
)

// TestExplainID: an ID that somebody took from etcdctl's JSON is no class, and is
// told for what it is, in both languages.
func TestExplainID(t *testing.T) {
	for _, lang := range []say.Language{say.English, say.Chinese} {
		rounded, ok := explainID("18051144144060471000", lang)
		if !ok || !strings.Contains(rounded, "jq") || !strings.Contains(rounded, "member not found") {
			t.Errorf("%s: %q", lang, rounded)
		}
		if exact, ok := explainID("18051144144060470833", lang); !ok || !strings.Contains(exact, "fa828bf5c018d631") || strings.Contains(exact, "jq") {
			t.Errorf("%s: %q", lang, exact)
		}
	}
	if text, ok := explainID("etcd-wal-damaged", say.English); ok {
		t.Errorf("%q", text)
	}
}
