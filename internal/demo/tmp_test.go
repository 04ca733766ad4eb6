package demo

import (
	"path/filepath"
	"testing"
	"time"
)

func TestFull(t *testing.T) {
	at := time.Now()
	template, err := NewTemplate(soon(t), filepath.Join(t.TempDir(), "template"), selfCommand(t), DefaultObjects, DefaultRevisions)
	if err != nil {
		t.Fatal(err)
	}
	t.Log("template", time.Since(at), template.Filled)
	for _, w := range Wrecks() {
		t.Run(w.Name, func(t *testing.T) {
			at := time.Now()
			r := wreck(t, template, w.Name)
			t.Log("all", time.Since(at), r.w.Stats())
		})
	}
}
