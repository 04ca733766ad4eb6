package observe

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/salvor-project/salvor/internal/cluster"
)

// The bounds of the look into a place of snapshots: how deep, how many entries,
// how much of all archives together, and how large a file that may be a configuration.
const (
	partsDeep    = 5
	partsMany    = 5000
	partsArchive = 64 << 20
	partsConfig  = 64 << 10
)

// errDeep ends a look that has become too long.
var errDeep = errors.New("it holds too much to look through")

// partSearch is one look into a place: what was found, and how much of archives
// may still be read.
type partSearch struct {
	found map[string]bool
	left  int64
}

// parts tells what of a control plane lies in a place of snapshots, by name and,
// of an encryption configuration, by its kind. Nothing of a file is kept.
func (m machine) parts(ctx context.Context, place string) ([]string, error) {
	s := &partSearch{found: map[string]bool{}, left: partsArchive}
	var unread error
	entries := 0
	err := filepath.WalkDir(place, func(p string, d fs.DirEntry, err error) error {
		if entries++; err == nil && entries > partsMany {
			err = errDeep
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(place, p)
		if d.IsDir() {
			if strings.Count(rel, string(filepath.Separator)) >= partsDeep {
				return fs.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() {
			return nil
		}
		if err := s.lookAt(p); err != nil && unread == nil {
			unread = fmt.Errorf("%s: %w", rel, err)
		}
		return nil
	})
	if err == nil && len(s.found) < 4 {
		err = unread // what was not read may hold what is missing
	}
	out := []string{}
	for _, p := range []string{cluster.PartAuthority, cluster.PartEtcdAuthority, cluster.PartAccounts, cluster.PartEncryption} {
		if s.found[p] {
			out = append(out, p)
		}
	}
	return out, err
}

// lookAt notes what one file is, or what an archive holds.
func (s *partSearch) lookAt(file string) error {
	name := filepath.ToSlash(file)
	if s.note(name) {
		return nil
	}
	configures, archive, sealed := kindOf(name)
	switch {
	case sealed:
		return errors.New("this archive cannot be looked into")
	case !configures && archive == "":
		return nil
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	if configures {
		return s.noteConfig(f)
	}
	return s.inArchive(f, archive == "gz")
}

// kindOf tells by its name what a file may be. Archives that are encrypted or
// packed in another way may hold everything.
func kindOf(name string) (configures bool, archive string, sealed bool) {
	switch strings.ToLower(path.Ext(name)) {
	case ".yaml", ".yml", ".json", ".conf":
		return true, "", false
	case ".tar":
		return false, "tar", false
	case ".tgz":
		return false, "gz", false
	case ".gz":
		if strings.HasSuffix(strings.ToLower(name), ".tar.gz") {
			return false, "gz", false
		}
		return false, "", false
	case ".zip", ".xz", ".zst", ".bz2", ".7z", ".age", ".gpg", ".pgp", ".enc", ".txz", ".tbz":
		return false, "", true
	}
	return false, "", false
}

// note notes a key by its name, as kubeadm, or somebody who copied it beside
// others, calls it.
func (s *partSearch) note(name string) bool {
	base := strings.ToLower(path.Base(name))
	ofEtcd := strings.Contains(strings.ToLower(path.Base(path.Dir(name))), "etcd")
	part := ""
	switch {
	case base == "ca.key" && ofEtcd, base == "etcd-ca.key", base == "etcd_ca.key":
		part = cluster.PartEtcdAuthority
	case base == "ca.key", base == "ca-key.pem" && !ofEtcd:
		part = cluster.PartAuthority
	case base == "ca-key.pem":
		part = cluster.PartEtcdAuthority
	case base == "sa.key", base == "service-account.key", base == "service-account-key.pem":
		part = cluster.PartAccounts
	}
	if part != "" {
		s.found[part] = true
	}
	return part != ""
}

func (s *partSearch) noteConfig(r io.Reader) error {
	b, err := io.ReadAll(io.LimitReader(r, partsConfig))
	if bytes.Contains(b, []byte(cluster.PartEncryption)) {
		s.found[cluster.PartEncryption] = true
	}
	return err
}

func (s *partSearch) inArchive(r io.Reader, packed bool) error {
	if packed {
		z, err := gzip.NewReader(r)
		if err != nil {
			return err
		}
		defer z.Close()
		r = z
	}
	limited := &io.LimitedReader{R: r, N: s.left}
	defer func() { s.left = limited.N }()
	in := tar.NewReader(limited)
	for n := 0; n < partsMany; n++ {
		h, err := in.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil && limited.N <= 0:
			return errDeep
		case err != nil:
			return err
		}
		configures, _, _ := kindOf(h.Name)
		if h.Typeflag != tar.TypeReg || s.note(h.Name) || !configures {
			continue
		}
		if err := s.noteConfig(in); err != nil {
			return err
		}
	}
	return errDeep
}
