package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
)

// ErrSignature is a token that was signed with another key.
var ErrSignature = errors.New("the token was signed with another key")

// TokenSigned checks the signature of a service account's token (a JWT with
// RS256 or ES256, RFC 7519 and 7518) with a public key, certificate or private
// key in PEM. Validity in time is not judged. nil means that the key signed
// it, ErrSignature that it did not.
func TokenSigned(token string, keyPEM []byte) error {
	der, err := publicOf(keyPEM)
	if err != nil {
		return err
	}
	pub, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return fmt.Errorf("check token: %w", err)
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return errors.New("check token: it is no JWT")
	}
	head, err := base64.RawURLEncoding.DecodeString(parts[0])
	if err != nil {
		return errors.New("check token: its head is no base64")
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		return errors.New("check token: its signature is no base64")
	}
	var h struct {
		Alg string `json:"alg"`
	}
	if err := json.Unmarshal(head, &h); err != nil {
		return errors.New("check token: its head is no JSON")
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	switch k := pub.(type) {
	case *rsa.PublicKey:
		if h.Alg != "RS256" || rsa.VerifyPKCS1v15(k, crypto.SHA256, sum[:], signature) != nil {
			return ErrSignature
		}
	case *ecdsa.PublicKey:
		if h.Alg != "ES256" || len(signature) != 64 ||
			!ecdsa.Verify(k, sum[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])) {
			return ErrSignature
		}
	default:
		return fmt.Errorf("check token: keys of type %T are not known", pub)
	}
	return nil
}
