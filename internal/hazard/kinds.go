package hazard

import (
	"errors"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/kube"
	"github.com/salvor-project/salvor/internal/pki"
)

// special reads the kinds that can hurt.
func (s *Scan) special(key string, p kube.Place, value []byte, o kube.Object) error {
	switch p.Resource {
	case "masterleases":
		s.out.MasterLeases = append(s.out.MasterLeases, p.Name)
	case "minions":
		s.out.Nodes = append(s.out.Nodes, p.Name)
	case namespaces:
		s.namespaces[p.Name] = o.Labels
		if p.Name == "kube-system" {
			s.out.System = o.UID
		}
	case "services/specs":
		s.services[p.Namespace+"/"+p.Name] = true
		return s.external(key, value)
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
		s.present[p.Name] = true
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
		return errors.Join(s.authority(p, value), s.otherStore(p, value))
	case "secrets":
		return s.token(value)
	}
	return s.after(key, p, value, o)
}

func counted(n *cluster.Names, key string, value []byte, runs func([]byte) (bool, error)) error {
	is, err := runs(value)
	if is {
		n.Add(key)
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
