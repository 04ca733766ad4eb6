package catalog_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/vault/catalog"
)

func keys(t *testing.T) (ed25519.PrivateKey, []ed25519.PublicKey) {
	t.Helper()
	pub, priv, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return priv, []ed25519.PublicKey{pub}
}

func TestSignedIsReadAndNothingElse(t *testing.T) {
	priv, pubs := keys(t)
	_, strangers := keys(t)
	in := catalog.Proof{Backup: "b", Who: "agent", When: time.Unix(1, 0).UTC(), Level: 4, Passed: true}
	b, err := catalog.Sign(catalog.KindProof, in, priv)
	if err != nil {
		t.Fatal(err)
	}
	var out catalog.Proof
	if err := catalog.Verify(catalog.KindProof, b, append(strangers, pubs...), &out); err != nil || out.Level != 4 || out.Who != "agent" {
		t.Fatalf("got %+v, %v", out, err)
	}
	envelope := func(change string) []byte { return bytes.Replace(b, []byte(`"level": 4`), []byte(change), 1) }
	for name, c := range map[string]struct {
		b    []byte
		kind catalog.Kind
		keys []ed25519.PublicKey
		want error
	}{
		"another kind":           {b, catalog.KindManifest, pubs, catalog.ErrForged},
		"relabelled":             {bytes.Replace(b, []byte(`"proof"`), []byte(`"hold"`), 1), catalog.KindHold, pubs, catalog.ErrForged},
		"a stranger's key":       {b, catalog.KindProof, strangers, catalog.ErrKey},
		"no key":                 {b, catalog.KindProof, nil, catalog.ErrKey},
		"edited":                 {envelope(`"level": 5`), catalog.KindProof, pubs, catalog.ErrForged},
		"a field twice":          {envelope(`"level": 4, "level": 5`), catalog.KindProof, pubs, catalog.ErrForged},
		"only a blank more":      {envelope(`"level":  4`), catalog.KindProof, pubs, catalog.ErrForged},
		"a second document":      {bytes.Replace(b, []byte("\n}\n"), []byte(",\n\"document\": {}\n}\n"), 1), catalog.KindProof, pubs, catalog.ErrForged},
		"an unknown field":       {bytes.Replace(b, []byte(`"kind"`), []byte(`"note": 1, "kind"`), 1), catalog.KindProof, pubs, catalog.ErrDamaged},
		"something behind":       {append(bytes.Clone(b), "{}"...), catalog.KindProof, pubs, catalog.ErrDamaged},
		"cut":                    {b[:len(b)-5], catalog.KindProof, pubs, catalog.ErrDamaged},
		"empty":                  {nil, catalog.KindProof, pubs, catalog.ErrDamaged},
		"no document":            {[]byte(`{"kind":"proof","key":"` + catalog.KeyID(pubs[0]) + `","signature":""}`), catalog.KindProof, pubs, catalog.ErrForged},
		"no signature, no bytes": {[]byte(`{}`), catalog.KindProof, pubs, catalog.ErrForged},
	} {
		t.Run(name, func(t *testing.T) {
			out := catalog.Proof{Who: "untouched"}
			if err := catalog.Verify(c.kind, c.b, c.keys, &out); !errors.Is(err, c.want) || out.Who != "untouched" {
				t.Errorf("got %v, %+v; want %v", err, out, c.want)
			}
		})
	}
	if _, err := catalog.Sign(catalog.KindProof, in, nil); err == nil {
		t.Error("signed without a key")
	}
}

func TestKeysAsText(t *testing.T) {
	priv, pubs := keys(t)
	back, err := catalog.ParsePrivate(" " + catalog.FormatPrivate(priv) + "\n")
	if err != nil || !back.Equal(priv) {
		t.Errorf("private: %v", err)
	}
	pub, err := catalog.ParsePublic(catalog.FormatPublic(pubs[0]))
	if err != nil || !pub.Equal(pubs[0]) {
		t.Errorf("public: %v", err)
	}
	for _, s := range []string{"", "x", catalog.FormatPublic(pubs[0])[:30], catalog.FormatPublic(pubs[0])} {
		if _, err := catalog.ParsePrivate(s); err == nil {
			t.Errorf("%q is a private key", s)
		}
	}
}

// TestManifestThatLeadsAstray: also a well-signed manifest is looked at.
func TestManifestThatLeadsAstray(t *testing.T) {
	good := func() catalog.Manifest {
		return catalog.Manifest{Format: 1, ID: "b", Created: time.Unix(1, 0), Parts: []catalog.Part{
			{Name: "p", Object: "p.zst", Chunk: 10, Sealed: catalog.Digest{Size: 25}, Chunks: []string{"a", "b", "c"}}}}
	}
	if err := good().Check(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*catalog.Manifest){
		"a newer format":     func(m *catalog.Manifest) { m.Format = 2 },
		"no format":          func(m *catalog.Manifest) { m.Format = 0 },
		"no parts":           func(m *catalog.Manifest) { m.Parts = nil },
		"no time":            func(m *catalog.Manifest) { m.Created = time.Time{} },
		"an ID with a path":  func(m *catalog.Manifest) { m.ID = "../b" },
		"an object upwards":  func(m *catalog.Manifest) { m.Parts[0].Object = "../../etc/passwd" },
		"a hidden object":    func(m *catalog.Manifest) { m.Parts[0].Object = ".p" },
		"a chunk too few":    func(m *catalog.Manifest) { m.Parts[0].Chunks = m.Parts[0].Chunks[:2] },
		"chunks of nothing":  func(m *catalog.Manifest) { m.Parts[0].Chunk = 0 },
		"a negative size":    func(m *catalog.Manifest) { m.Parts[0].Sealed.Size = -1 },
		"one object twice":   func(m *catalog.Manifest) { m.Parts = append(m.Parts, m.Parts[0]) },
		"a chunk of 2^62":    func(m *catalog.Manifest) { m.Parts[0].Chunk = 1 << 62 },
		"a size of 2^63 - 1": func(m *catalog.Manifest) { m.Parts[0].Sealed.Size = 1<<63 - 1 },
	} {
		m := good()
		change(&m)
		if err := m.Check(); err == nil {
			t.Errorf("%s passed", name)
		} else if strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: more than a line: %v", name, err)
		}
	}
}
