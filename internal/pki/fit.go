package pki

import (
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/salvor-project/salvor/internal/cluster"
)

// Parse gives every certificate of PEM data, like Read; source is noted in
// each.
func Parse(data []byte, source, use string) ([]cluster.Certificate, error) {
	certs, err := parsePEM(data)
	if err != nil {
		return nil, fmt.Errorf("read certificate %s: %w", source, err)
	}
	var out []cluster.Certificate
	for _, c := range certs {
		out = append(out, describe(c, source, use))
	}
	return out, nil
}

// Describe is the public part of a certificate that was parsed already.
func Describe(c *x509.Certificate, source, use string) cluster.Certificate {
	return describe(c, source, use)
}

func parsePEM(data []byte) ([]*x509.Certificate, error) {
	var out []*x509.Certificate
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", len(out)+1, err)
		}
		out = append(out, c)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no PEM certificate in it (%d bytes)", len(data))
	}
	return out, nil
}

// Issued tells whether one of the authorities in caPEM signed the first
// certificate of leafPEM. Validity in time is not judged: that is another
// fault. An error means that it could not be told.
func Issued(leafPEM, caPEM []byte) (bool, error) {
	leaf, err := parsePEM(leafPEM)
	if err != nil {
		return false, fmt.Errorf("compare with the authority: %w", err)
	}
	authorities, err := parsePEM(caPEM)
	if err != nil {
		return false, fmt.Errorf("read the authority: %w", err)
	}
	// An intermediate in the leaf's own file may stand between.
	between := leaf[1:]
	for _, ca := range authorities {
		if leaf[0].CheckSignatureFrom(ca) == nil {
			return true, nil
		}
		for _, i := range between {
			if leaf[0].CheckSignatureFrom(i) == nil && i.CheckSignatureFrom(ca) == nil {
				return true, nil
			}
		}
	}
	return false, nil
}

// KeyFits tells whether a private key in PEM is that of the first certificate
// of certPEM. Neither key nor parts of it leave this function.
func KeyFits(certPEM, keyPEM []byte) (bool, error) {
	certs, err := parsePEM(certPEM)
	if err != nil {
		return false, fmt.Errorf("compare with the key: %w", err)
	}
	own, err := publicOf(keyPEM)
	if err != nil {
		return false, err
	}
	theirs, err := x509.MarshalPKIXPublicKey(certs[0].PublicKey)
	if err != nil {
		return false, fmt.Errorf("compare with the key: %w", err)
	}
	return string(own) == string(theirs), nil
}

// PublicDigest is the sha256 of the public key (in PKIX form) of the first
// certificate, public key or private key of PEM data: the same for a key pair
// and its certificate.
func PublicDigest(data []byte) (string, error) {
	der, err := publicOf(data)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:]), nil
}

func publicOf(data []byte) ([]byte, error) {
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		var pub any
		var err error
		switch block.Type {
		case "CERTIFICATE":
			var c *x509.Certificate
			if c, err = x509.ParseCertificate(block.Bytes); err == nil {
				pub = c.PublicKey
			}
		case "PUBLIC KEY":
			pub, err = x509.ParsePKIXPublicKey(block.Bytes)
		case "RSA PUBLIC KEY":
			pub, err = x509.ParsePKCS1PublicKey(block.Bytes)
		case "RSA PRIVATE KEY":
			pub, err = publicPart(x509.ParsePKCS1PrivateKey(block.Bytes))
		case "EC PRIVATE KEY":
			pub, err = publicPart(x509.ParseECPrivateKey(block.Bytes))
		case "PRIVATE KEY":
			pub, err = publicPart(x509.ParsePKCS8PrivateKey(block.Bytes))
		default:
			continue // EC PARAMETERS and the like
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: it cannot be parsed", block.Type) // err could quote the key
		}
		der, err := x509.MarshalPKIXPublicKey(pub)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", block.Type, err)
		}
		return der, nil
	}
	return nil, errors.New("read key: there is no PEM key in it")
}

func publicPart[K any](key K, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	s, ok := any(key).(interface{ Public() crypto.PublicKey })
	if !ok {
		return nil, errors.New("the key has no public part")
	}
	return s.Public(), nil
}
