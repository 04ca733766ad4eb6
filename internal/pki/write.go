package pki

import (
	"fmt"
	"os"
	"path/filepath"
)

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
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, filepath.Base(path)+".tmp-*") // mode 0600
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := fill(f, data); err != nil {
		_ = os.Remove(f.Name())
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		_ = os.Remove(f.Name())
		return fmt.Errorf("write %s: %w", path, err)
	}
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("write %s: sync folder: %w", path, err)
	}
	return nil
}

func fill(f *os.File, data []byte) error {
	_, err := f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if c := f.Close(); err == nil {
		err = c
	}
	return err
}
