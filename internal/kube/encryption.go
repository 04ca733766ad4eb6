package kube

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
	"golang.org/x/crypto/nacl/secretbox"
)

// Encryption is an API server's encryption configuration
// (k8s.io/apiserver/pkg/apis/apiserver/v1, EncryptionConfiguration).
type Encryption struct {
	// Names are "provider/key" in the order of the file, each once; KMS
	// plugins appear as "kms/name".
	Names []string
	// Identity tells whether the plain provider is listed anywhere.
	Identity bool
	keys     []encryptionKey
}

type encryptionKey struct {
	provider, name string
	secret         []byte
}

type encryptionFile struct {
	Kind      string `yaml:"kind"`
	Resources []struct {
		Providers []map[string]struct {
			Name string `yaml:"name"`
			Keys []struct {
				Name   string `yaml:"name"`
				Secret string `yaml:"secret"`
			} `yaml:"keys"`
		} `yaml:"providers"`
	} `yaml:"resources"`
}

// ReadEncryption reads an encryption configuration. The keys stay inside.
func ReadEncryption(b []byte) (Encryption, error) {
	var f encryptionFile
	if err := yaml.Unmarshal(b, &f); err != nil {
		return Encryption{}, errors.New("read encryption configuration: it is no YAML of that kind")
	}
	if f.Kind != "EncryptionConfiguration" && f.Kind != "EncryptionConfig" {
		return Encryption{}, fmt.Errorf("read encryption configuration: it is a %q", f.Kind)
	}
	var e Encryption
	seen := map[string]bool{}
	note := func(name string) {
		if !seen[name] {
			seen[name] = true
			e.Names = append(e.Names, name)
		}
	}
	for _, r := range f.Resources {
		for _, p := range r.Providers {
			for provider, of := range p {
				switch {
				case provider == "identity":
					e.Identity = true
				case provider == "kms":
					note("kms/" + of.Name)
				}
				for _, k := range of.Keys {
					secret, err := base64.StdEncoding.DecodeString(k.Secret)
					if err != nil {
						return e, fmt.Errorf("read encryption configuration: key %s of %s is no base64", k.Name, provider)
					}
					note(provider + "/" + k.Name)
					e.keys = append(e.keys, encryptionKey{provider, k.Name, secret})
				}
			}
		}
	}
	return e, nil
}

// Has tells whether the configuration names a provider's key.
func (e Encryption) Has(provider, key string) bool {
	for _, n := range e.Names {
		if n == provider+"/"+key {
			return true
		}
	}
	return false
}

// Digest identifies what the configuration means: the same keys in the same
// order give the same digest, whatever the file looks like.
func (e Encryption) Digest() string {
	h := sha256.New()
	for _, k := range e.keys {
		fmt.Fprintf(h, "%d:%s%d:%s%d:", len(k.provider), k.provider, len(k.name), k.name, len(k.secret))
		h.Write(k.secret)
	}
	fmt.Fprintf(h, "%q %v", e.Names, e.Identity)
	return hex.EncodeToString(h.Sum(nil))
}

// ErrNoTrial is a value whose encryption Salvor cannot try: a KMS plugin holds
// the key.
var ErrNoTrial = errors.New("the key is held by a plugin")

// Open tries to decrypt a stored value with the keys of its provider and key
// name, as kube-apiserver does (k8s.io/apiserver/pkg/storage/value/encrypt):
// key is etcd's key, which AES-GCM authenticates. The plain text is checked to
// be an object and not given away. nil means that it opened.
func (e Encryption) Open(key string, value []byte) error {
	o, err := decodeEncrypted(key, value)
	if err != nil {
		return err
	}
	if o.Provider == "kms" {
		return ErrNoTrial
	}
	parts := strings.SplitN(string(value), ":", 6)
	body := []byte(parts[5])
	last := fmt.Errorf("open %s: no key %s/%s is configured", key, o.Provider, o.KeyName)
	for _, k := range e.keys {
		if k.provider != o.Provider || k.name != o.KeyName {
			continue
		}
		plain, err := k.open(key, body)
		if err == nil && !looksStored(plain) {
			err = errors.New("what comes out is no object")
		}
		if err == nil {
			return nil
		}
		last = fmt.Errorf("open %s with key %s/%s: %w", key, k.provider, k.name, err)
	}
	return last
}

func looksStored(b []byte) bool {
	return strings.HasPrefix(string(b), prefixProtobuf) || strings.HasPrefix(strings.TrimLeft(string(b), " \t\r\n"), "{")
}

func (k encryptionKey) open(key string, body []byte) ([]byte, error) {
	switch k.provider {
	case "aescbc":
		return k.openCBC(body)
	case "aesgcm":
		block, err := aes.NewCipher(k.secret)
		if err != nil {
			return nil, err
		}
		gcm, err := cipher.NewGCM(block)
		if err != nil {
			return nil, err
		}
		if len(body) < gcm.NonceSize() {
			return nil, errors.New("the value is too short")
		}
		return gcm.Open(nil, body[:gcm.NonceSize()], body[gcm.NonceSize():], []byte(key))
	case "secretbox":
		return k.openBox(body)
	}
	return nil, fmt.Errorf("provider %q is not known", k.provider)
}

// openCBC undoes AES-CBC with a leading IV and PKCS #7 padding.
func (k encryptionKey) openCBC(body []byte) ([]byte, error) {
	block, err := aes.NewCipher(k.secret)
	if err != nil {
		return nil, err
	}
	if len(body) < 2*aes.BlockSize || len(body)%aes.BlockSize != 0 {
		return nil, errors.New("the value's length fits no AES-CBC")
	}
	out := make([]byte, len(body)-aes.BlockSize)
	cipher.NewCBCDecrypter(block, body[:aes.BlockSize]).CryptBlocks(out, body[aes.BlockSize:])
	pad := int(out[len(out)-1])
	if pad == 0 || pad > aes.BlockSize || pad > len(out) {
		return nil, errors.New("invalid padding: the key is another one")
	}
	for _, b := range out[len(out)-pad:] {
		if int(b) != pad {
			return nil, errors.New("invalid padding: the key is another one")
		}
	}
	return out[:len(out)-pad], nil
}

func (k encryptionKey) openBox(body []byte) ([]byte, error) {
	if len(k.secret) != 32 || len(body) < 24 {
		return nil, errors.New("key or value has the wrong length")
	}
	var secret [32]byte
	var nonce [24]byte
	copy(secret[:], k.secret)
	copy(nonce[:], body[:24])
	out, ok := secretbox.Open(nil, body[24:], &nonce, &secret)
	if !ok {
		return nil, errors.New("the key is another one")
	}
	return out, nil
}
