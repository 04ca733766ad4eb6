package hazard

import (
	"errors"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/kube"
)

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
