package kube

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// Backend is a service of the cluster behind something that an API server
// asks; the zero value is none.
type Backend struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
}

// fromJSON reads a stored value that kube-apiserver writes as JSON: custom
// resources, definitions of them, and API services (their servers keep the
// codec of k8s.io/apiextensions-apiserver and k8s.io/kube-aggregator).
func fromJSON(value []byte, into any) error {
	if !bytes.HasPrefix(bytes.TrimLeft(value, " \t\r\n"), []byte("{")) {
		return errors.New("read stored object: it is not JSON")
	}
	if err := json.Unmarshal(value, into); err != nil {
		return fmt.Errorf("read stored object: %w", err)
	}
	return nil
}

// APIServiceBackend gives the service behind a stored APIService; the zero
// value for one that the API server serves itself.
func APIServiceBackend(value []byte) (Backend, error) {
	var a struct {
		Spec struct {
			Service *Backend `json:"service"`
		} `json:"spec"`
	}
	if err := fromJSON(value, &a); err != nil || a.Spec.Service == nil {
		return Backend{}, err
	}
	return *a.Spec.Service, nil
}

// Definition is what of a CustomResourceDefinition decides whether its objects
// can be read after a restore.
type Definition struct {
	Group, Kind string
	// Converter is the service of its conversion webhook.
	Converter Backend
	// Unserved are versions in which objects are stored and which the
	// definition does not have any more.
	Unserved []string
}

// ReadDefinition reads a stored CustomResourceDefinition.
func ReadDefinition(value []byte) (Definition, error) {
	type client struct {
		Service *Backend `json:"service"`
	}
	var d struct {
		Spec struct {
			Group string `json:"group"`
			Names struct {
				Kind string `json:"kind"`
			} `json:"names"`
			Versions []struct {
				Name string `json:"name"`
			} `json:"versions"`
			Conversion struct {
				Strategy string `json:"strategy"`
				Webhook  struct {
					ClientConfig client `json:"clientConfig"`
				} `json:"webhook"`
				// Definitions are stored in their form of v1beta1 still.
				ClientConfig client `json:"webhookClientConfig"`
			} `json:"conversion"`
		} `json:"spec"`
		Status struct {
			Stored []string `json:"storedVersions"`
		} `json:"status"`
	}
	if err := fromJSON(value, &d); err != nil {
		return Definition{}, err
	}
	out := Definition{Group: d.Spec.Group, Kind: d.Spec.Names.Kind}
	for _, c := range []client{d.Spec.Conversion.Webhook.ClientConfig, d.Spec.Conversion.ClientConfig} {
		if d.Spec.Conversion.Strategy == "Webhook" && c.Service != nil {
			out.Converter = *c.Service
		}
	}
	var has []string
	for _, v := range d.Spec.Versions {
		has = append(has, v.Name)
	}
	for _, v := range d.Status.Stored {
		if !slices.Contains(has, v) {
			out.Unserved = append(out.Unserved, v)
		}
	}
	return out, nil
}

// GitOps tells whether the stored custom resources of a folder below Root put
// a cluster into a state that is written down elsewhere (Argo CD, Flux, Fleet).
func GitOps(resource string) bool {
	switch resource {
	case "argoproj.io/applications", "argoproj.io/applicationsets", "kustomize.toolkit.fluxcd.io/kustomizations",
		"helm.toolkit.fluxcd.io/helmreleases", "fleet.cattle.io/bundles", "fleet.cattle.io/gitrepos":
		return true
	}
	return false
}

// Reconciles tells whether a stored object of such a folder acts by itself: it
// is not suspended and, for Argo CD, synchronizes without being told to.
func Reconciles(resource string, value []byte) (bool, error) {
	var o struct {
		Spec struct {
			Suspend bool `json:"suspend"`
			Paused  bool `json:"paused"`
			Sync    struct {
				Automated *struct {
					Enabled *bool `json:"enabled"`
				} `json:"automated"`
			} `json:"syncPolicy"`
		} `json:"spec"`
	}
	if err := fromJSON(value, &o); err != nil {
		return false, err
	}
	if resource == "argoproj.io/applications" {
		a := o.Spec.Sync.Automated
		return a != nil && (a.Enabled == nil || *a.Enabled), nil
	}
	return !o.Spec.Suspend && !o.Spec.Paused, nil
}
