// Package hazard reads the objects of a candidate's data before it is restored
// and tells what of them would hurt afterwards. It takes stored bytes one key
// after the other, changes nothing, and keeps no value.
package hazard

import (
	"errors"
	"fmt"
	"sort"
	"strings"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/kube"
	"github.com/salvor-project/salvor/internal/pki"
)

// Inputs is what lies on the machine that the data is held against.
type Inputs struct {
	// Encryption is the API server's configuration; when it is not known,
	// whether a key is configured is not known either.
	Encryption cluster.Known[kube.Encryption]
	// TokenKey is the public key of service account tokens in PEM.
	TokenKey cluster.Known[[]byte]
	// Minor is the minor version of the API server, 0 when not known.
	Minor int
}

// Scan takes the objects of one candidate in. The zero value is not usable.
type Scan struct {
	in  Inputs
	out cluster.Hazards

	uids      map[string]bool
	owned     []owned
	claims    map[string]bool
	volumes   []volume
	services  map[string]bool
	readied   map[string]bool
	hooks     []hook
	encrypted map[string]*cluster.EncryptedWith
	gone      map[string]bool
	names     map[string]bool
	tokens    int
}

type owned struct {
	name   string
	owners []string
}

type volume struct {
	name string
	kube.Volume
}

type hook struct {
	object string
	kube.Hook
}

// New begins a scan.
func New(in Inputs) *Scan {
	s := &Scan{in: in, uids: map[string]bool{}, claims: map[string]bool{}, services: map[string]bool{}, readied: map[string]bool{},
		encrypted: map[string]*cluster.EncryptedWith{}, gone: map[string]bool{}, names: map[string]bool{}}
	s.out.Authority = cluster.Unknown[string]("the data holds no ConfigMap kube-root-ca.crt in kube-system")
	s.out.TokensSigned = cluster.Unknown[bool]("no stored token was found")
	return s
}

// Add takes one live key and its value in. The value is not kept.
func (s *Scan) Add(key string, value []byte) {
	place, ok := kube.Split(key)
	if !ok {
		return
	}
	o, err := kube.Decode(key, value)
	if err != nil {
		s.out.Unreadable.Add(key)
		return
	}
	s.out.Objects++
	s.names[key] = true
	if o.Encoding == kube.Encrypted {
		s.sealed(key, value, o)
		return
	}
	if o.UID != "" {
		s.uids[o.UID] = true
	}
	if o.Deleting {
		s.out.Deleting.Add(key)
	}
	if len(o.Owners) > 0 {
		s.owned = append(s.owned, owned{key, o.Owners})
	}
	if at := kube.Removed(o.Group, o.Version); at > 0 && s.in.Minor >= at {
		s.gone[fmt.Sprintf("%s/%s %s (removed in 1.%d)", o.Group, o.Version, o.Kind, at)] = true
	}
	if err := s.special(key, place, value, o); err != nil {
		s.out.Unreadable.Add(key)
	}
}

// special reads the kinds that can hurt.
func (s *Scan) special(key string, p kube.Place, value []byte, o kube.Object) error {
	switch p.Resource {
	case "masterleases":
		s.out.MasterLeases = append(s.out.MasterLeases, p.Name)
	case "minions":
		s.out.Nodes = append(s.out.Nodes, p.Name)
	case "namespaces":
		if p.Name == "kube-system" {
			s.out.System = o.UID
		}
	case "services/specs":
		s.services[p.Namespace+"/"+p.Name] = true
	case "persistentvolumeclaims":
		s.claims[p.Namespace+"/"+p.Name] = true
	case "endpointslices":
		service, ready, err := kube.ReadySlice(value)
		if err != nil {
			return err
		}
		s.readied[p.Namespace+"/"+service] = s.readied[p.Namespace+"/"+service] || ready
	case "persistentvolumes":
		v, err := kube.ReadVolume(value)
		if err != nil {
			return err
		}
		if v.Delete {
			s.out.DeletePolicy++
			s.volumes = append(s.volumes, volume{p.Name, v})
		}
	case "jobs":
		return counted(&s.out.Jobs, key, value, kube.JobRuns)
	case "cronjobs":
		return counted(&s.out.CronJobs, key, value, kube.CronJobRuns)
	case "validatingwebhookconfigurations", "mutatingwebhookconfigurations":
		return s.webhooks(p, value, o)
	case "configmaps":
		return s.authority(p, value)
	case "secrets":
		return s.token(value)
	}
	return nil
}

func counted(n *cluster.Names, key string, value []byte, runs func([]byte) (bool, error)) error {
	is, err := runs(value)
	if is {
		n.Add(key)
	}
	return err
}

func (s *Scan) webhooks(p kube.Place, value []byte, o kube.Object) error {
	hooks, err := kube.ReadHooks(value, p.Resource == "mutatingwebhookconfigurations")
	for _, h := range hooks {
		if h.Service != "" {
			s.hooks = append(s.hooks, hook{o.Kind + "/" + p.Name, h})
		}
	}
	return err
}

func (s *Scan) authority(p kube.Place, value []byte) error {
	if p.Namespace != "kube-system" || p.Name != "kube-root-ca.crt" {
		return nil
	}
	ca, err := kube.ConfigValue(value, "ca.crt")
	if err != nil {
		return err
	}
	s.out.Authority = cluster.From(pki.PublicDigest([]byte(ca)))
	return nil
}

// token holds the first stored tokens against the public key at hand.
func (s *Scan) token(value []byte) error {
	token, err := kube.LegacyToken(value)
	if err != nil || token == "" || s.tokens >= 3 {
		return err
	}
	s.tokens++
	if !s.in.TokenKey.OK {
		s.out.TokensSigned = cluster.Unknown[bool]("%s", s.in.TokenKey.Why)
		return nil
	}
	switch err := pki.TokenSigned(token, s.in.TokenKey.Value); {
	case err == nil:
		s.out.TokensSigned = cluster.Is(true)
	case errors.Is(err, pki.ErrSignature) && !s.out.TokensSigned.OK:
		s.out.TokensSigned = cluster.Known[bool]{OK: true, Why: "signed with another key than sa.pub"}
	}
	return nil
}

// sealed notes with which key a value is encrypted, and tries to open the
// first of each key.
func (s *Scan) sealed(key string, value []byte, o kube.Object) {
	id := o.Provider + "/" + o.KeyName
	e := s.encrypted[id]
	if e == nil {
		e = &cluster.EncryptedWith{Provider: o.Provider, Key: o.KeyName, Example: key}
		s.encrypted[id] = e
		s.try(e, key, value)
	}
	e.Values++
}

func (s *Scan) try(e *cluster.EncryptedWith, key string, value []byte) {
	if !s.in.Encryption.OK {
		e.Configured = cluster.Unknown[bool]("%s", s.in.Encryption.Why)
		e.Opened = cluster.Unknown[bool]("%s", s.in.Encryption.Why)
		return
	}
	conf := s.in.Encryption.Value
	e.Configured = cluster.Is(conf.Has(e.Provider, e.Key))
	switch err := conf.Open(key, value); {
	case errors.Is(err, kube.ErrNoTrial):
		e.Opened = cluster.Unknown[bool]("%v", err)
	case err != nil:
		e.Opened = cluster.Known[bool]{OK: true, Why: err.Error()}
	default:
		e.Opened = cluster.Is(true)
	}
}

// essentials are the keys without which no cluster of Kubernetes stands.
func essentials() []string {
	return []string{"/registry/namespaces/default", "/registry/namespaces/kube-system", "/registry/services/specs/default/kubernetes",
		"/registry/clusterroles/cluster-admin", "/registry/clusterrolebindings/cluster-admin"}
}

// Done ends the scan and gives what was found.
func (s *Scan) Done() cluster.Hazards {
	for _, h := range s.hooks {
		backend := h.Namespace + "/" + h.Service
		s.out.Webhooks = append(s.out.Webhooks, cluster.Webhook{Object: h.object, Name: h.Name, Service: backend, Hits: h.Hits,
			Backend: s.services[backend] && s.readied[backend]})
	}
	for _, v := range s.volumes {
		if v.Released || v.Claim != "" && !s.claims[v.ClaimNamespace+"/"+v.Claim] {
			s.out.Volumes.Add(v.name)
		}
	}
	if len(s.encrypted) == 0 { // else an owner may be among what cannot be read
		for _, o := range s.owned {
			if !s.anyOwner(o.owners) {
				s.out.Dangling.Add(o.name)
			}
		}
	}
	for _, e := range s.encrypted {
		s.out.Encrypted = append(s.out.Encrypted, *e)
	}
	sort.Slice(s.out.Encrypted, func(i, j int) bool {
		a, b := s.out.Encrypted[i], s.out.Encrypted[j]
		return strings.Compare(a.Provider+"/"+a.Key, b.Provider+"/"+b.Key) < 0
	})
	var gone []string
	for g := range s.gone {
		gone = append(gone, g)
	}
	sort.Strings(gone)
	for _, g := range gone {
		s.out.Gone.Add(g)
	}
	if s.out.Objects > 0 {
		for _, k := range essentials() {
			if !s.names[k] {
				s.out.Missing = append(s.out.Missing, k)
			}
		}
	}
	return s.out
}

func (s *Scan) anyOwner(owners []string) bool {
	for _, o := range owners {
		if s.uids[o] {
			return true
		}
	}
	return false
}
