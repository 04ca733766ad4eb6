package bundle

import (
	"bytes"
	"io"
	"slices"
	"sort"
	"strings"

	"github.com/salvor-project/salvor/internal/kube"
)

// Data is what the data in etcd says of the control plane that it belongs to.
// It holds secrets: it is compared and forgotten.
type Data struct {
	KubeSystemUID string            `json:"kubeSystemUID,omitempty"`
	Nodes         []kube.NodeInfo   `json:"nodes,omitempty"`
	Authorities   map[string]string `json:"authorities,omitempty"` // where it stands → PEM
	Encrypted     []Encrypted       `json:"encrypted,omitempty"`   // one for each key that something is encrypted with
	Tokens        []string          `json:"tokens,omitempty"`      // of service accounts, some
	Sealed        []Encrypted       `json:"sealed,omitempty"`      // some secrets, which may be tokens
}

// Encrypted is a value with what it was encrypted with.
type Encrypted struct {
	Provider string `json:"provider"`
	KeyName  string `json:"keyName"`
	Key      string `json:"key"` // in etcd
	Value    []byte `json:"value,omitempty"`
}

const (
	someTokens = 5
	someSealed = 50
	maxSample  = 64 << 10 // bytes of a value
)

// Prefixes are what a Reader has to be fed of a living etcd.
func Prefixes() []string {
	return []string{kube.Root + "namespaces/kube-system", kube.Root + "configmaps/kube-system/", kube.Root + "secrets/", kube.Root + "minions/"}
}

// Reader makes Data of keys and values in any order.
type Reader struct{ data Data }

// Add takes a key with its value; both may be changed after it returns.
func (r *Reader) Add(key, value []byte) {
	d := &r.data
	o, err := kube.Decode(string(key), value)
	if err != nil {
		return // a value that cannot be read is the check of the snapshot's to find
	}
	if o.Encoding == kube.Encrypted {
		r.encrypted(Encrypted{Provider: o.Provider, KeyName: o.KeyName, Key: string(key)}, value)
		return
	}
	k := strings.TrimPrefix(string(key), kube.Root)
	switch {
	case k == "namespaces/kube-system":
		d.KubeSystemUID = o.UID
	case k == "configmaps/kube-system/kube-root-ca.crt":
		r.authorities(k, value, "ca.crt")
	case k == "configmaps/kube-system/extension-apiserver-authentication":
		r.authorities(k, value, "client-ca-file", "requestheader-client-ca-file")
	case strings.HasPrefix(k, "secrets/") && len(d.Tokens) < someTokens:
		if kind, data, err := kube.Secret(value); err == nil && kind == kube.ServiceAccountToken && len(data["token"]) > 0 {
			d.Tokens = append(d.Tokens, string(data["token"]))
		}
	case strings.HasPrefix(k, "minions/"):
		if n, err := kube.StoredNode(value); err == nil {
			d.Nodes = append(d.Nodes, n)
		}
	}
}

func (r *Reader) authorities(where string, value []byte, fields ...string) {
	data, err := kube.ConfigMap(value)
	if err != nil {
		return
	}
	if r.data.Authorities == nil {
		r.data.Authorities = map[string]string{}
	}
	for _, f := range fields {
		if data[f] != "" {
			r.data.Authorities[where+"#"+f] = data[f]
		}
	}
}

func (r *Reader) encrypted(e Encrypted, value []byte) {
	d := &r.data
	i := slices.IndexFunc(d.Encrypted, func(o Encrypted) bool { return o.Provider == e.Provider && o.KeyName == e.KeyName })
	sample := len(value) <= maxSample
	if i < 0 {
		d.Encrypted = append(d.Encrypted, e)
		i = len(d.Encrypted) - 1
	}
	if sample && d.Encrypted[i].Value == nil {
		d.Encrypted[i].Key, d.Encrypted[i].Value = e.Key, bytes.Clone(value)
	}
	if sample && strings.HasPrefix(e.Key, kube.Root+"secrets/") && len(d.Sealed) < someSealed {
		e.Value = bytes.Clone(value)
		d.Sealed = append(d.Sealed, e)
	}
}

// Data gives what was read.
func (r *Reader) Data() Data {
	sort.Slice(r.data.Nodes, func(i, j int) bool { return r.data.Nodes[i].Name < r.data.Nodes[j].Name })
	return r.data
}

// Scanner looks for the marks of encrypted values in a snapshot that streams
// by. It sees what was deleted too: what it finds beyond what the living data
// has is only a hint.
type Scanner struct {
	out   io.Writer
	tail  []byte
	found map[string]bool // "provider:key"
}

// NewScanner passes all bytes on to out.
func NewScanner(out io.Writer) *Scanner { return &Scanner{out: out, found: map[string]bool{}} }

const (
	encryptedMark = "k8s:enc:"
	maxMark       = 256 // bytes of provider, version and name of a key
)

// Write never fails by itself. A mark is looked at when what follows it is
// there, or at Found.
func (s *Scanner) Write(p []byte) (int, error) {
	n, err := s.out.Write(p)
	if len(s.tail) > 0 || n < maxMark { // what lies across the border
		edge := append(s.tail, p[:min(n, maxMark)]...)
		s.scan(edge, len(edge)-maxMark)
		if n <= maxMark {
			s.tail = edge[max(0, len(edge)-maxMark):]
			return n, err
		}
	}
	s.scan(p[:n], n-maxMark)
	s.tail = append(s.tail[:0], p[n-maxMark:n]...)
	return n, err
}

// scan reads the marks that begin before an offset.
func (s *Scanner) scan(b []byte, before int) {
	for at := 0; ; {
		i := bytes.Index(b[at:], []byte(encryptedMark))
		if i < 0 || at+i >= before {
			return
		}
		at += i + len(encryptedMark)
		// PROVIDER:vN:NAME:
		parts := bytes.SplitN(b[at:min(len(b), at+maxMark)], []byte(":"), 4)
		if len(parts) == 4 && plain(parts[0]) && len(parts[1]) == 2 && parts[1][0] == 'v' && plain(parts[2]) {
			s.found[string(parts[0])+":"+string(parts[2])] = true
		}
	}
}

func plain(b []byte) bool {
	return len(b) > 0 && !bytes.ContainsFunc(b, func(r rune) bool { return r <= ' ' || r > '~' })
}

// Found lists what was seen, as provider:key, after the last Write.
func (s *Scanner) Found() []string {
	s.scan(s.tail, len(s.tail))
	var all []string
	for k := range s.found {
		all = append(all, k)
	}
	sort.Strings(all)
	return all
}
