package catalog

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Kind is what a signed document is; it is signed too, so that one kind cannot
// pass for another.
type Kind string

// The kinds.
const (
	KindManifest Kind = "manifest"
	KindProof    Kind = "proof"
	KindHold     Kind = "hold"
	KindReceipts Kind = "receipts"
)

// Why a document is not believed.
var (
	ErrDamaged = errors.New("not a document of a vault")
	ErrForged  = errors.New("signature does not fit: changed after it was signed")
	ErrKey     = errors.New("signed by a key that is not trusted")
)

const (
	publicPrefix  = "salvor-verify-1:"
	privatePrefix = "SALVOR-SIGN-1:"
)

// envelope is the form of a signed document. The signature covers the exact
// bytes of Document, after a line that names the kind.
type envelope struct {
	Kind      Kind            `json:"kind"`
	Key       string          `json:"key"`
	Signature []byte          `json:"signature"`
	Document  json.RawMessage `json:"document"`
}

// Sign makes a signed document, in a form that people can read.
func Sign(kind Kind, document any, key ed25519.PrivateKey) ([]byte, error) {
	if len(key) != ed25519.PrivateKeySize {
		return nil, fmt.Errorf("sign %s: no signing key", kind)
	}
	raw, err := json.MarshalIndent(document, "  ", "  ")
	if err != nil {
		return nil, fmt.Errorf("sign %s: %w", kind, err)
	}
	pub := key.Public().(ed25519.PublicKey)
	var b bytes.Buffer
	fmt.Fprintf(&b, "{\n  \"kind\": %q,\n  \"key\": %q,\n  \"signature\": %q,\n  \"document\": ",
		kind, KeyID(pub), base64.StdEncoding.EncodeToString(ed25519.Sign(key, signed(kind, raw))))
	b.Write(raw)
	b.WriteString("\n}\n")
	return b.Bytes(), nil
}

// Verify reads a signed document if one of the keys made it. The document is
// filled in only then.
func Verify(kind Kind, b []byte, keys []ed25519.PublicKey, document any) error {
	var e envelope
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&e); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if e.Kind != kind {
		return fmt.Errorf("%w: a %s in the place of a %s", ErrForged, e.Kind, kind)
	}
	if rest, err := d.Token(); err == nil {
		return fmt.Errorf("%w: %v behind its end", ErrDamaged, rest)
	}
	for _, key := range keys {
		if KeyID(key) != e.Key {
			continue
		}
		if !ed25519.Verify(key, signed(kind, e.Document), e.Signature) {
			return ErrForged
		}
		if err := json.Unmarshal(e.Document, document); err != nil {
			return fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		return nil
	}
	return fmt.Errorf("%w: %s", ErrKey, e.Key)
}

func signed(kind Kind, raw []byte) []byte {
	return append([]byte("salvor vault document, kind "+string(kind)+"\n"), raw...)
}

// KeyID names a verification key: the begin of its SHA-256, to be compared by
// eye.
func KeyID(key ed25519.PublicKey) string {
	sum := sha256.Sum256(key)
	return hex.EncodeToString(sum[:8])
}

// FormatPublic writes a verification key as one line, for salvor.yaml.
func FormatPublic(key ed25519.PublicKey) string {
	return publicPrefix + base64.StdEncoding.EncodeToString(key)
}

// ParsePublic reads what FormatPublic wrote.
func ParsePublic(s string) (ed25519.PublicKey, error) {
	b, err := parse(s, publicPrefix, ed25519.PublicKeySize)
	return ed25519.PublicKey(b), err
}

// FormatPrivate writes a signing key as one line. It is a secret.
func FormatPrivate(key ed25519.PrivateKey) string {
	return privatePrefix + base64.StdEncoding.EncodeToString(key.Seed())
}

// ParsePrivate reads what FormatPrivate wrote.
func ParsePrivate(s string) (ed25519.PrivateKey, error) {
	b, err := parse(s, privatePrefix, ed25519.SeedSize)
	if err != nil {
		return nil, err
	}
	return ed25519.NewKeyFromSeed(b), nil
}

func parse(s, prefix string, size int) ([]byte, error) {
	text, ok := strings.CutPrefix(strings.TrimSpace(s), prefix)
	b, err := base64.StdEncoding.DecodeString(text)
	if !ok || err != nil || len(b) != size {
		return nil, fmt.Errorf("not a key that begins with %s", prefix)
	}
	return b, nil
}

// CheckName refuses what is not a plain file name.
func CheckName(s string) error {
	if s == "" || len(s) > 200 || s[0] == '.' ||
		strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") != "" {
		return fmt.Errorf("%q is no name", s)
	}
	return nil
}
