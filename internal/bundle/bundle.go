// Package bundle is the part of a control plane that etcd does not hold: its
// authorities and keys, the encryption configuration, manifests, units,
// kubeconfigs. It collects them on one machine, writes and reads them as a tar,
// and holds them against what the data says: whether the keys open it, whether
// the authority is the one in it. It only reads machines, and writes nothing.
package bundle

import (
	"io/fs"

	"slices"
	"strings"
	"time"

	"github.com/salvor-project/salvor/internal/kube"
)

// File is one file of a machine.
type File struct {
	Path     string      `json:"path"` // on that machine, absolute
	Mode     fs.FileMode `json:"mode"` // permission bits
	UID      int         `json:"uid"`
	GID      int         `json:"gid"`
	Modified time.Time   `json:"modified"`
	Link     string      `json:"link,omitempty"` // where it leads, if it is a symbolic link
	Data     []byte      `json:"data,omitempty"`
}

// Host is what one machine holds.
type Host struct {
	Name     string   `json:"name"`
	Hostname string   `json:"hostname,omitempty"`
	OS       string   `json:"os,omitempty"`
	Files    []File   `json:"files"`
	Images   []string `json:"images,omitempty"` // that manifests name
	Missing  []Note   `json:"missing,omitempty"`
}

// Note is a sentence as code and arguments.
type Note struct {
	Code string            `json:"code"`
	Args map[string]string `json:"args,omitempty"`
}

// The codes of notes; package say has the sentences.
const (
	MissingHost       = "bundle-host"             // host, why: it could not be asked
	MissingPlane      = "bundle-no-control-plane" // no host has a control plane's files
	MissingFile       = "bundle-file"             // host, path, why
	MissingTooLarge   = "bundle-too-large"        // host, path
	MissingAuthority  = "bundle-authority-key"    // what, path: no private key for it
	WrongPair         = "bundle-key-pair"         // what, path: the key is not the certificate's
	WrongAuthority    = "bundle-authority"        // where: the one in the data is not in the bundle
	WrongAccountKey   = "bundle-account-key"      // tokens: no key verifies them
	MissingEncryption = "bundle-encryption-key"   // provider, key
	WrongEncryption   = "bundle-encryption-wrong" // provider, key, object
	OutsideKMS        = "bundle-kms"              // key: it lies in a key management service
	BadEncryption     = "bundle-encryption-bad"   // host, path, why: a configuration that cannot be read
	DataUnread        = "bundle-data-unread"      // why: the data could not be held against it
)

func note(code string, args ...string) Note {
	n := Note{Code: code, Args: map[string]string{}}
	for i := 0; i+1 < len(args); i += 2 {
		n.Args[args[i]] = args[i+1]
	}
	return n
}

// Bundle is all of it.
type Bundle struct {
	Format  int             `json:"format"`
	Cluster string          `json:"cluster"` // the name in salvor.yaml
	Created time.Time       `json:"created"`
	Nodes   []kube.NodeInfo `json:"nodes,omitempty"` // from the data
	Hosts   []Host          `json:"hosts"`
	Config  []byte          `json:"-"` // salvor.yaml
}

// Format is the version of a bundle's index.
const Format = 1

// Absent drops notes about files that need not be there: those named, and all
// below those named.
func Absent(notes []Note, absent []string) []Note {
	below := func(p string) bool {
		return slices.ContainsFunc(absent, func(a string) bool { return p == a || strings.HasPrefix(p, strings.TrimSuffix(a, "/")+"/") })
	}
	var kept []Note
	for _, n := range notes {
		if n.Code == MissingPlane && below(kubernetesDir) || n.Args["path"] != "" && below(n.Args["path"]) {
			continue
		}
		kept = append(kept, n)
	}
	return kept
}

// find gives the files of all hosts that a test is true of.
func (b Bundle) find(is func(File) bool) []located {
	var all []located
	for _, h := range b.Hosts {
		for _, f := range h.Files {
			if f.Link == "" && is(f) {
				all = append(all, located{h.Name, f})
			}
		}
	}
	return all
}

type located struct {
	host string
	File
}
