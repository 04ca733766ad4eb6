package pki

import "github.com/salvor-project/salvor/internal/durable"

// Write puts a pair into two files, each written whole or not at all. The key
// goes first: a reader that sees the new certificate finds its key there.
func (p Pair) Write(certPath, keyPath string) error {
	if err := WriteFile(keyPath, p.Key); err != nil {
		return err
	}
	return WriteFile(certPath, p.Cert)
}

// WriteFile writes a PEM file with mode 0600 beside its place, makes it
// durable and renames it over what was there. The folder must exist.
func WriteFile(path string, data []byte) error {
	return durable.WriteFile(path, data, 0o600)
}
