package bundle

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"hash"
	"math/big"
	"path"
	"slices"
	"sort"
	"strings"

	"github.com/salvor-project/salvor/internal/kube"
)

// Check holds a bundle against what the data says, and gives all that is
// missing or does not fit: of files, too.
func Check(b Bundle, d Data) []Note {
	var all []Note
	for _, h := range b.Hosts {
		all = append(all, h.Missing...)
	}
	all = append(all, b.plane()...)
	keys, bad := b.encryptionKeys()
	all = append(all, bad...)
	all = append(all, encryption(keys, d)...)
	all = append(all, b.accounts(keys, d)...)
	all = append(all, b.authorities(d)...)
	return all
}

// plane says whether there is a control plane at all, and whether its
// authorities have their keys.
func (b Bundle) plane() []Note {
	inPKI := func(f File) bool {
		return strings.HasPrefix(f.Path, kubernetesDir+"/") || strings.HasPrefix(f.Path, "/var/lib/rancher/") || strings.HasPrefix(f.Path, "/var/lib/k0s/")
	}
	if len(b.find(inPKI)) == 0 {
		return []Note{note(MissingPlane)}
	}
	var all []Note
	private := b.privateKeys()
	seen := map[string]bool{}
	for _, f := range b.find(func(f File) bool { return strings.HasSuffix(f.Path, ".crt") || strings.HasSuffix(f.Path, ".pem") }) {
		for _, c := range certificates(f.Data) {
			if !c.IsCA || !inPKI(f.File) || seen[f.Path] {
				continue
			}
			seen[f.Path] = true
			if slices.ContainsFunc(private, func(k crypto.PublicKey) bool { return equal(k, c.PublicKey) }) {
				continue
			}
			if beside := b.beside(f.Path); beside != "" {
				all = append(all, note(WrongPair, "path", beside, "what", f.Path))
			} else {
				all = append(all, note(MissingAuthority, "path", strings.TrimSuffix(f.Path, path.Ext(f.Path))+".key", "what", c.Subject.CommonName))
			}
		}
	}
	if accounts := b.find(func(f File) bool { return path.Base(f.Path) == "kube-apiserver.yaml" }); len(accounts) > 0 &&
		len(b.find(func(f File) bool { return f.Path == kubernetesDir+"/pki/sa.key" })) == 0 && strings.Contains(string(accounts[0].Data), "/pki/sa.key") {
		all = append(all, note(MissingFile, "host", accounts[0].host, "path", kubernetesDir+"/pki/sa.key", "why", "it signs service accounts' tokens"))
	}
	return dedup(all)
}

// beside finds a private key file of the usual name beside a certificate.
func (b Bundle) beside(cert string) string {
	stem := strings.TrimSuffix(cert, path.Ext(cert))
	for _, k := range []string{stem + ".key", stem + "-key.pem"} {
		if len(b.find(func(f File) bool { return f.Path == k })) > 0 {
			return k
		}
	}
	return ""
}

// encryption says which keys of the data are missing, and which do not open
// it.
func encryption(keys []encryptionKey, d Data) []Note {
	var all []Note
	for _, e := range d.Encrypted {
		if e.Provider == "kms" {
			all = append(all, note(OutsideKMS, "key", e.KeyName))
			continue
		}
		found, opens := false, false
		for _, k := range keys {
			if k.provider != e.Provider || k.name != e.KeyName {
				continue
			}
			found = true
			if e.Value == nil {
				opens = true // all were too large to be tried
			} else if _, err := k.open(e); err == nil {
				opens = true
			}
		}
		switch {
		case !found:
			all = append(all, note(MissingEncryption, "provider", e.Provider, "key", e.KeyName, "object", e.Key))
		case !opens:
			all = append(all, note(WrongEncryption, "provider", e.Provider, "key", e.KeyName, "object", e.Key))
		}
	}
	return all
}

// accounts says whether a key in the bundle verifies the data's tokens.
func (b Bundle) accounts(keys []encryptionKey, d Data) []Note {
	tokens := slices.Clone(d.Tokens)
	for _, e := range d.Sealed {
		for _, k := range keys {
			if k.provider != e.Provider || k.name != e.KeyName || len(tokens) >= someTokens {
				continue
			}
			if plain, err := k.open(e); err == nil {
				if kind, data, err := kube.Secret(plain); err == nil && kind == kube.ServiceAccountToken && len(data["token"]) > 0 {
					tokens = append(tokens, string(data["token"]))
				}
				break
			}
		}
	}
	if len(tokens) == 0 {
		return nil
	}
	public := b.publicKeys()
	for _, t := range tokens { // old tokens may be of a key that was replaced
		if slices.ContainsFunc(public, func(k crypto.PublicKey) bool { return verifies(t, k) }) {
			return nil
		}
	}
	return []Note{note(WrongAccountKey, "path", kubernetesDir+"/pki/sa.pub")}
}

// authorities says whether the authorities that the data names are in the
// bundle.
func (b Bundle) authorities(d Data) []Note {
	var have [][]byte
	for _, f := range b.find(func(f File) bool { return strings.Contains(string(f.Data), "CERTIFICATE") }) {
		for _, c := range certificates(f.Data) {
			have = append(have, c.Raw)
		}
	}
	var all []Note
	for where, text := range d.Authorities {
		ok := slices.ContainsFunc(certificates([]byte(text)), func(c *x509.Certificate) bool {
			return slices.ContainsFunc(have, func(h []byte) bool { return string(h) == string(c.Raw) })
		})
		if !ok {
			all = append(all, note(WrongAuthority, "where", where, "path", kubernetesDir+"/pki/ca.crt"))
		}
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Args["where"] < all[j].Args["where"] })
	return all
}

func certificates(b []byte) []*x509.Certificate {
	var all []*x509.Certificate
	for {
		var block *pem.Block
		if block, b = pem.Decode(b); block == nil {
			return all
		}
		if c, err := x509.ParseCertificate(block.Bytes); block.Type == "CERTIFICATE" && err == nil {
			all = append(all, c)
		}
	}
}

// privateKeys gives the public halves of all private keys in the bundle.
func (b Bundle) privateKeys() []crypto.PublicKey {
	var all []crypto.PublicKey
	b.keys(func(block *pem.Block) {
		if k, err := privateKey(block); err == nil {
			all = append(all, k.Public())
		}
	})
	return all
}

// publicKeys gives all public keys, those of private ones too.
func (b Bundle) publicKeys() []crypto.PublicKey {
	all := b.privateKeys()
	b.keys(func(block *pem.Block) {
		if k, err := x509.ParsePKIXPublicKey(block.Bytes); block.Type == "PUBLIC KEY" && err == nil {
			all = append(all, k)
		} else if k, err := x509.ParsePKCS1PublicKey(block.Bytes); block.Type == "RSA PUBLIC KEY" && err == nil {
			all = append(all, k)
		} else if c, err := x509.ParseCertificate(block.Bytes); block.Type == "CERTIFICATE" && err == nil {
			all = append(all, c.PublicKey)
		}
	})
	return all
}

func (b Bundle) keys(each func(*pem.Block)) {
	for _, f := range b.find(func(f File) bool { return strings.Contains(string(f.Data), "-----BEGIN") }) {
		for rest := f.Data; ; {
			var block *pem.Block
			if block, rest = pem.Decode(rest); block == nil {
				break
			}
			each(block)
		}
	}
}

func privateKey(block *pem.Block) (crypto.Signer, error) {
	switch block.Type {
	case "RSA PRIVATE KEY":
		return x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		return x509.ParseECPrivateKey(block.Bytes)
	case "PRIVATE KEY":
		k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if s, ok := k.(crypto.Signer); ok && err == nil {
			return s, nil
		}
	}
	return nil, errors.New("no private key")
}

func equal(a, b crypto.PublicKey) bool {
	k, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(b)
}

// verifies checks the signature of a JWT (RFC 7515), with the algorithms that
// kube-apiserver signs with.
func verifies(token string, key crypto.PublicKey) bool {
	parts := strings.Split(strings.TrimSpace(token), ".")
	if len(parts) != 3 {
		return false
	}
	head, err := base64.RawURLEncoding.DecodeString(parts[0])
	sig, sigErr := base64.RawURLEncoding.DecodeString(parts[2])
	var h struct {
		Alg string `json:"alg"`
	}
	if err != nil || sigErr != nil || json.Unmarshal(head, &h) != nil || len(h.Alg) != 5 {
		return false
	}
	var sum hash.Hash
	var kind crypto.Hash
	switch h.Alg[2:] {
	case "256":
		sum, kind = sha256.New(), crypto.SHA256
	case "384":
		sum, kind = sha512.New384(), crypto.SHA384
	case "512":
		sum, kind = sha512.New(), crypto.SHA512
	default:
		return false
	}
	signed := parts[0] + "." + parts[1]
	sum.Write([]byte(signed))
	switch k := key.(type) {
	case *rsa.PublicKey:
		return h.Alg[:2] == "RS" && rsa.VerifyPKCS1v15(k, kind, sum.Sum(nil), sig) == nil
	case *ecdsa.PublicKey:
		if h.Alg[:2] != "ES" || len(sig)%2 != 0 {
			return false
		}
		r, s := new(big.Int).SetBytes(sig[:len(sig)/2]), new(big.Int).SetBytes(sig[len(sig)/2:])
		der, err := asn1.Marshal(struct{ R, S *big.Int }{r, s})
		return err == nil && ecdsa.VerifyASN1(k, sum.Sum(nil), der)
	case ed25519.PublicKey:
		return h.Alg == "EdDSA" && ed25519.Verify(k, []byte(signed), sig)
	}
	return false
}

func dedup(all []Note) []Note {
	seen := map[string]bool{}
	var kept []Note
	for _, n := range all {
		k := n.Code + " " + n.Args["path"]
		if !seen[k] {
			seen[k] = true
			kept = append(kept, n)
		}
	}
	return kept
}
