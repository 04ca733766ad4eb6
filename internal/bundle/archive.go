package bundle

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// The names in the tar. A host's files lie below hosts/NAME with their whole
// paths.
const (
	indexName  = "bundle.json"
	configName = "salvor.yaml"
	hostsDir   = "hosts"
)

// Write writes a bundle as a tar that any tar program reads.
func (b Bundle) Write(w io.Writer) error {
	index := b
	index.Hosts = nil
	for _, h := range b.Hosts { // the files' bytes lie beside
		files := make([]File, len(h.Files))
		for i, f := range h.Files {
			f.Data = nil
			files[i] = f
		}
		h.Files = files
		index.Hosts = append(index.Hosts, h)
	}
	text, err := json.MarshalIndent(index, "", "  ")
	if err != nil {
		return fmt.Errorf("write bundle: %w", err)
	}
	t := archive{Writer: tar.NewWriter(w)}
	t.put(tar.Header{Name: indexName, Mode: 0o600, ModTime: b.Created}, append(text, '\n'))
	if len(b.Config) > 0 {
		t.put(tar.Header{Name: configName, Mode: 0o600, ModTime: b.Created}, b.Config)
	}
	for _, h := range b.Hosts {
		t.files(path.Join(hostsDir, h.Name), h.Files)
	}
	if err := t.close(); err != nil {
		return fmt.Errorf("write bundle: %w", err)
	}
	return nil
}

// archive is a tar that is written until the first error.
type archive struct {
	*tar.Writer
	err error
}

func (a *archive) put(h tar.Header, data []byte) {
	if a.err == nil {
		h.Size, h.Format = int64(len(data)), tar.FormatPAX
		a.err = a.WriteHeader(&h)
	}
	if a.err == nil {
		_, a.err = a.Write(data)
	}
}

// files writes files with their owners and links below a folder of the tar.
func (a *archive) files(below string, all []File) {
	for _, f := range all {
		head := tar.Header{Name: path.Join(below, strings.TrimPrefix(f.Path, "/")), Mode: int64(f.Mode), Uid: f.UID, Gid: f.GID, ModTime: f.Modified}
		if f.Link != "" {
			head.Typeflag, head.Linkname = tar.TypeSymlink, f.Link
		}
		a.put(head, f.Data)
	}
}

func (a *archive) close() error {
	if a.err != nil {
		return a.err
	}
	return a.Close()
}

// Read reads what Write wrote.
func Read(r io.Reader) (Bundle, error) {
	var b Bundle
	data := map[string][]byte{}
	t := tar.NewReader(r)
	for total := int64(0); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return b, fmt.Errorf("read bundle: %w", err)
		}
		if total += h.Size; h.Typeflag != tar.TypeReg || total > 100*maxAll {
			continue
		}
		text, err := io.ReadAll(t)
		if err != nil {
			return b, fmt.Errorf("read bundle: %s: %w", h.Name, err)
		}
		data[h.Name] = text
	}
	if _, err := io.Copy(io.Discard, r); err != nil { // the digest is checked at the very end
		return b, fmt.Errorf("read bundle: %w", err)
	}
	if err := json.Unmarshal(data[indexName], &b); err != nil {
		return b, fmt.Errorf("read bundle: %s: %w", indexName, err)
	}
	if b.Format > Format {
		return b, fmt.Errorf("read bundle: it is of format %d, take a newer salvor", b.Format)
	}
	b.Config = data[configName]
	for _, h := range b.Hosts {
		for i := range h.Files {
			f := &h.Files[i]
			text, ok := data[path.Join(hostsDir, h.Name, f.Path)]
			if f.Link == "" && !ok {
				return b, fmt.Errorf("read bundle: %s of %s is listed and not there", f.Path, h.Name)
			}
			f.Data = text
		}
	}
	return b, nil
}

// Unpack writes a bundle's files below dir, a folder that must not exist yet:
// DIR/salvor.yaml, DIR/hosts/NAME/etc/kubernetes/… to be looked at, and
// DIR/hosts/NAME.tar to be put back (`tar -xp -C /`): only the tar has owners and
// symbolic links. Files keep their permission bits; folders are 0700 and tars
// 0600, since all of it is secret.
func (b Bundle) Unpack(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return fmt.Errorf("unpack bundle: %w", err)
	}
	if len(b.Config) > 0 {
		if err := write(filepath.Join(dir, configName), b.Config, 0o600, b.Created); err != nil {
			return err
		}
	}
	for _, h := range b.Hosts {
		if err := h.unpack(filepath.Join(dir, hostsDir), b.Created); err != nil {
			return err
		}
	}
	return nil
}

// unpack writes a host's files below dir, in a folder of its name and as a tar.
func (h Host) unpack(dir string, created time.Time) error {
	for _, f := range h.Files {
		clean := path.Clean("/" + f.Path)
		if strings.ContainsAny(h.Name, "/\x00") || h.Name == ".." || h.Name == "." || clean != f.Path {
			return fmt.Errorf("unpack bundle: %s of %s is no path", f.Path, h.Name)
		}
		if f.Link != "" {
			continue
		}
		if err := write(filepath.Join(dir, h.Name, clean), f.Data, f.Mode.Perm(), f.Modified); err != nil {
			return err
		}
	}
	if len(h.Files) == 0 {
		return nil
	}
	var b bytes.Buffer
	t := archive{Writer: tar.NewWriter(&b)}
	t.files("", h.Files)
	if err := t.close(); err != nil {
		return fmt.Errorf("unpack bundle: files of %s: %w", h.Name, err)
	}
	return write(filepath.Join(dir, h.Name+".tar"), b.Bytes(), 0o600, created)
}

func write(name string, data []byte, mode fs.FileMode, at time.Time) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return fmt.Errorf("unpack bundle: %w", err)
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return fmt.Errorf("unpack bundle: %w", err)
	}
	_, err = io.Copy(f, bytes.NewReader(data))
	if err = errors.Join(err, f.Sync(), f.Close(), os.Chtimes(name, at, at)); err != nil {
		return fmt.Errorf("unpack bundle: %w", err)
	}
	return nil
}
