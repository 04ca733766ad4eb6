package seal_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"io"
	"testing"

	"filippo.io/age"
	"golang.org/x/crypto/ssh"

	"github.com/salvor-project/salvor/internal/vault/catalog"
	"github.com/salvor-project/salvor/internal/vault/seal"
)

func identity(t *testing.T) (*age.X25519Identity, seal.Recipient) {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	r, err := seal.ParseRecipient(id.Recipient().String())
	if err != nil {
		t.Fatal(err)
	}
	return id, r
}

func sealed(t *testing.T, plain []byte, to ...seal.Recipient) ([]byte, catalog.Part) {
	t.Helper()
	var b bytes.Buffer
	w, err := seal.NewWriter(&b, to)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if w.Sealed().Size != int64(b.Len()) || w.Plain().Size != int64(len(plain)) {
		t.Fatalf("counted %d and %d", w.Sealed().Size, w.Plain().Size)
	}
	return b.Bytes(), catalog.Part{Name: "p", Encoding: w.Encoding(), Plain: w.Plain(), Sealed: w.Sealed()}
}

func unseal(b []byte, p catalog.Part, ids ...age.Identity) ([]byte, error) {
	r, err := seal.NewReader(bytes.NewReader(b), p, ids)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

func TestThereAndBack(t *testing.T) {
	id, to := identity(t)
	for _, size := range []int{0, 1, 64 << 10, 3<<20 + 7} {
		plain := bytes.Repeat([]byte("etcd "), size/5+1)[:size]
		for _, recipients := range [][]seal.Recipient{nil, {to}} {
			b, p := sealed(t, plain, recipients...)
			got, err := unseal(b, p, id)
			if err != nil || !bytes.Equal(got, plain) {
				t.Errorf("%d bytes to %d recipients: %d bytes, %v", size, len(recipients), len(got), err)
			}
		}
	}
}

func TestSSHKeys(t *testing.T) {
	_, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	pub, err := ssh.NewPublicKey(priv.Public())
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(priv, "")
	if err != nil {
		t.Fatal(err)
	}
	to, err := seal.ParseRecipient(string(ssh.MarshalAuthorizedKey(pub)))
	if err != nil {
		t.Fatal(err)
	}
	ids, err := seal.ParseIdentities(pem.EncodeToMemory(block))
	if err != nil {
		t.Fatal(err)
	}
	b, p := sealed(t, []byte("secret"), to)
	if got, err := unseal(b, p, ids...); err != nil || string(got) != "secret" {
		t.Errorf("%q, %v", got, err)
	}
}

// TestDamage: no cut and no flipped byte gives data without an error.
func TestDamage(t *testing.T) {
	id, to := identity(t)
	b, p := sealed(t, bytes.Repeat([]byte("etcd data "), 20_000), to)
	for at := 0; at < len(b); at += 1 + len(b)/300 {
		if _, err := unseal(b[:at], p, id); err == nil {
			t.Errorf("cut to %d bytes passed", at)
		}
		c := bytes.Clone(b)
		c[at] ^= 0x20
		if _, err := unseal(c, p, id); err == nil {
			t.Errorf("byte %d flipped passed", at)
		}
	}
}

// TestSwapped: data that opens well and is another part's is refused.
func TestSwapped(t *testing.T) {
	id, to := identity(t)
	b, _ := sealed(t, []byte("the one"), to)
	_, p := sealed(t, []byte("another"), to)
	if _, err := unseal(b, p, id); !errors.Is(err, seal.ErrDigest) {
		t.Errorf("got %v", err)
	}
	p.Plain.Size = 3
	if _, err := unseal(b, p, id); !errors.Is(err, seal.ErrDigest) {
		t.Errorf("longer than it may be: %v", err)
	}
}

func TestKeys(t *testing.T) {
	_, to := identity(t)
	stranger, _ := identity(t)
	b, p := sealed(t, []byte("x"), to)
	if _, err := unseal(b, p, stranger); !errors.Is(err, seal.ErrKey) {
		t.Errorf("a stranger: %v", err)
	}
	if _, err := unseal(b, p); !errors.Is(err, seal.ErrKey) {
		t.Errorf("nobody: %v", err)
	}
	p.Encoding = []string{"zstd", "rot13"}
	if _, err := unseal(b, p, stranger); err == nil {
		t.Error("an unknown encoding passed")
	}
	for _, s := range []string{"", "age1", "ssh-ed25519", "AGE-SECRET-KEY-1"} {
		if _, err := seal.ParseRecipient(s); err == nil {
			t.Errorf("%q is a recipient", s)
		}
		if _, err := seal.ParseIdentities([]byte(s)); err == nil {
			t.Errorf("%q is an identity", s)
		}
	}
}
