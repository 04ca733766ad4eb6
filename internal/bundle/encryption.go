package bundle

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
	"golang.org/x/crypto/nacl/secretbox"
)

// encryptionConfig is an EncryptionConfiguration, as far as keys go
// (k8s.io/apiserver/pkg/apis/apiserver/v1/types_encryption.go).
type encryptionConfig struct {
	Kind      string `yaml:"kind"`
	Resources []struct {
		Providers []struct {
			AESCBC    *namedKeys `yaml:"aescbc"`
			AESGCM    *namedKeys `yaml:"aesgcm"`
			Secretbox *namedKeys `yaml:"secretbox"`
			KMS       *struct {
				Name string `yaml:"name"`
			} `yaml:"kms"`
		} `yaml:"providers"`
	} `yaml:"resources"`
}

type namedKeys struct {
	Keys []struct {
		Name   string `yaml:"name"`
		Secret string `yaml:"secret"`
	} `yaml:"keys"`
}

// encryptionKey is one key of a configuration; secret is nil with KMS.
type encryptionKey struct {
	provider, name string
	secret         []byte
}

// encryptionKeys reads the keys of all configurations in the bundle.
func (b Bundle) encryptionKeys() (keys []encryptionKey, bad []Note) {
	for _, f := range b.find(func(f File) bool { return bytes.Contains(f.Data, []byte("EncryptionConfig")) }) {
		var c encryptionConfig
		if err := yaml.Unmarshal(f.Data, &c); err != nil || (c.Kind != "EncryptionConfiguration" && c.Kind != "EncryptionConfig") {
			if err != nil && bytes.HasPrefix(bytes.TrimSpace(f.Data), []byte("kind: EncryptionConfig")) {
				bad = append(bad, note(BadEncryption, "host", f.host, "path", f.Path, "why", "it is not valid YAML")) // its text is a secret
			}
			continue
		}
		for _, r := range c.Resources {
			for _, p := range r.Providers {
				if p.KMS != nil {
					keys = append(keys, encryptionKey{"kms", p.KMS.Name, nil})
				}
				for provider, list := range map[string]*namedKeys{"aescbc": p.AESCBC, "aesgcm": p.AESGCM, "secretbox": p.Secretbox} {
					if list == nil {
						continue
					}
					for _, k := range list.Keys {
						secret, err := base64.StdEncoding.DecodeString(strings.TrimSpace(k.Secret))
						if err != nil {
							bad = append(bad, note(BadEncryption, "host", f.host, "path", f.Path, "why", "the secret of key "+k.Name+" is not base64"))
							continue
						}
						keys = append(keys, encryptionKey{provider, k.Name, secret})
					}
				}
			}
		}
	}
	return keys, bad
}

// open decrypts a stored value, as kube-apiserver's transformers do
// (k8s.io/apiserver/pkg/storage/value/encrypt/{aes,secretbox}).
func (k encryptionKey) open(e Encrypted) ([]byte, error) {
	parts := bytes.SplitN(e.Value, []byte(":"), 6)
	if len(parts) < 6 {
		return nil, errors.New("its prefix is incomplete")
	}
	sealed := parts[5]
	switch k.provider {
	case "aescbc":
		return k.openCBC(sealed)
	case "aesgcm":
		block, err := aes.NewCipher(k.secret)
		if err != nil {
			return nil, err
		}
		gcm, err := cipher.NewGCM(block)
		if err != nil {
			return nil, err
		}
		if len(sealed) < gcm.NonceSize() {
			return nil, errShort
		}
		return gcm.Open(nil, sealed[:gcm.NonceSize()], sealed[gcm.NonceSize():], []byte(e.Key))
	case "secretbox":
		var key [32]byte
		var nonce [24]byte
		if len(k.secret) != len(key) || len(sealed) < len(nonce) {
			return nil, errShort
		}
		copy(key[:], k.secret)
		copy(nonce[:], sealed)
		plain, ok := secretbox.Open(nil, sealed[len(nonce):], &nonce, &key)
		if !ok {
			return nil, errors.New("it is not authentic under this key")
		}
		return plain, nil
	}
	return nil, fmt.Errorf("provider %s cannot be tried here", k.provider)
}

var errShort = errors.New("key or value is too short")

func (k encryptionKey) openCBC(sealed []byte) ([]byte, error) {
	block, err := aes.NewCipher(k.secret)
	if err != nil {
		return nil, err
	}
	const size = aes.BlockSize
	if len(sealed) < 2*size || len(sealed)%size != 0 {
		return nil, errShort
	}
	plain := make([]byte, len(sealed)-size)
	cipher.NewCBCDecrypter(block, sealed[:size]).CryptBlocks(plain, sealed[size:])
	pad := int(plain[len(plain)-1])
	if pad == 0 || pad > size || !bytes.Equal(plain[len(plain)-pad:], bytes.Repeat([]byte{byte(pad)}, pad)) {
		return nil, errors.New("the padding is wrong under this key")
	}
	plain = plain[:len(plain)-pad]
	if !bytes.HasPrefix(plain, []byte("k8s\x00")) && !bytes.HasPrefix(plain, []byte("{")) {
		return nil, errors.New("what comes out is no object") // a padding fits by chance once in 256 times
	}
	return plain, nil
}
