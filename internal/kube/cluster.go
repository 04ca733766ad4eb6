package kube

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

type objectMeta struct {
	Name              string            `json:"name,omitempty"`
	Namespace         string            `json:"namespace,omitempty"`
	UID               string            `json:"uid,omitempty"`
	ResourceVersion   string            `json:"resourceVersion,omitempty"`
	Labels            map[string]string `json:"labels,omitempty"`
	DeletionTimestamp *time.Time        `json:"deletionTimestamp,omitempty"`
}

// SystemUID gives the UID of the namespace kube-system: a cluster's identity
// as Kubernetes knows it.
func (c *Client) SystemUID(ctx context.Context) (string, error) {
	var ns struct {
		Metadata objectMeta `json:"metadata"`
	}
	_, err := c.Do(ctx, http.MethodGet, "/api/v1/namespaces/kube-system", nil, &ns)
	return ns.Metadata.UID, err
}

// Node is what the API says of one node.
type Node struct {
	Name  string
	Ready bool
	// Why is the reason when it is not Ready.
	Why string
	// Changed is when it last became Ready, or ceased to be; zero when that is
	// not said.
	Changed time.Time
	// Renewed is when its kubelet last renewed its lease; zero when there is
	// none.
	Renewed time.Time
}

// Nodes lists the nodes with their leases. now is the API server's clock, to
// compare leases with.
func (c *Client) Nodes(ctx context.Context) (list []Node, now time.Time, err error) {
	var nodes struct {
		Items []struct {
			Metadata objectMeta `json:"metadata"`
			Status   struct {
				Conditions []struct {
					Type, Status, Reason, Message string
					LastTransitionTime            time.Time
				}
			} `json:"status"`
		} `json:"items"`
	}
	header, err := c.Do(ctx, http.MethodGet, "/api/v1/nodes", nil, &nodes)
	if err != nil {
		return nil, now, err
	}
	now, _ = http.ParseTime(header.Get("Date"))
	var leases struct {
		Items []struct {
			Metadata objectMeta `json:"metadata"`
			Spec     struct {
				RenewTime time.Time `json:"renewTime"`
			} `json:"spec"`
		} `json:"items"`
	}
	if _, err := c.Do(ctx, http.MethodGet, "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases", nil, &leases); err != nil {
		return nil, now, err
	}
	renewed := map[string]time.Time{}
	for _, l := range leases.Items {
		renewed[l.Metadata.Name] = l.Spec.RenewTime
	}
	for _, n := range nodes.Items {
		out := Node{Name: n.Metadata.Name, Renewed: renewed[n.Metadata.Name], Why: "it says nothing"}
		for _, cond := range n.Status.Conditions {
			if cond.Type == "Ready" {
				out.Ready, out.Why, out.Changed = cond.Status == "True", cond.Reason+": "+cond.Message, cond.LastTransitionTime
			}
		}
		list = append(list, out)
	}
	return list, now, nil
}

// Endpoints lists the addresses behind the service "kubernetes", each with its
// port: those of the API servers that count as alive.
func (c *Client) Endpoints(ctx context.Context) ([]string, error) {
	var slices struct {
		Items []struct {
			Endpoints []struct {
				Addresses []string `json:"addresses"`
			} `json:"endpoints"`
			Ports []struct {
				Port int `json:"port"`
			} `json:"ports"`
		} `json:"items"`
	}
	path := "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices?labelSelector=" + url.QueryEscape("kubernetes.io/service-name=kubernetes")
	if _, err := c.Do(ctx, http.MethodGet, path, nil, &slices); err != nil {
		return nil, err
	}
	var out []string
	for _, s := range slices.Items {
		port := 443
		if len(s.Ports) > 0 && s.Ports[0].Port > 0 {
			port = s.Ports[0].Port
		}
		for _, e := range s.Endpoints {
			for _, a := range e.Addresses {
				out = append(out, net.JoinHostPort(a, strconv.Itoa(port)))
			}
		}
	}
	return out, nil
}

// Canary proves that the API takes writes: it makes a ConfigMap in kube-system,
// reads it back and removes it again. It may be repeated.
func (c *Client) Canary(ctx context.Context, name, value string) error {
	const folder = "/api/v1/namespaces/kube-system/configmaps"
	type configMap struct {
		APIVersion string            `json:"apiVersion"`
		Kind       string            `json:"kind"`
		Metadata   objectMeta        `json:"metadata"`
		Data       map[string]string `json:"data"`
	}
	want := configMap{"v1", "ConfigMap", objectMeta{Name: name, Labels: map[string]string{"app.kubernetes.io/managed-by": "salvor"}}, map[string]string{"written": value}}
	var status *StatusError
	_, err := c.Do(ctx, http.MethodPost, folder, want, nil)
	if errors.As(err, &status) && status.Code == http.StatusConflict {
		_, err = c.Do(ctx, http.MethodPut, folder+"/"+name, want, nil)
	}
	if err != nil {
		return fmt.Errorf("write a ConfigMap: %w", err)
	}
	var got configMap
	if _, err := c.Do(ctx, http.MethodGet, folder+"/"+name, nil, &got); err != nil {
		return fmt.Errorf("read the ConfigMap back: %w", err)
	}
	if got.Data["written"] != value {
		return fmt.Errorf("read the ConfigMap back: it holds %q, not what was written", got.Data["written"])
	}
	if _, err := c.Do(ctx, http.MethodDelete, folder+"/"+name, nil, nil); err != nil {
		return fmt.Errorf("remove the ConfigMap again: %w", err)
	}
	return nil
}

// ElectionLease asks for the lease by which the instances of a component of the
// control plane agree who of them works; false when there is none.
func (c *Client) ElectionLease(ctx context.Context, name string) (Lease, bool, error) {
	var l struct {
		Spec struct {
			HolderIdentity string    `json:"holderIdentity"`
			RenewTime      time.Time `json:"renewTime"`
		} `json:"spec"`
	}
	_, err := c.Do(ctx, http.MethodGet, "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/"+url.PathEscape(name), nil, &l)
	if status := (*StatusError)(nil); errors.As(err, &status) && status.Code == http.StatusNotFound {
		return Lease{}, false, nil
	}
	return Lease{Holder: l.Spec.HolderIdentity, Renewed: l.Spec.RenewTime}, err == nil, err
}

// MissingObjects names those of a list of paths of objects that the API server
// says do not exist.
func (c *Client) MissingObjects(ctx context.Context, paths []string) ([]string, error) {
	var out []string
	for _, p := range paths {
		_, err := c.Do(ctx, http.MethodGet, p, nil, nil)
		if status := (*StatusError)(nil); errors.As(err, &status) && status.Code == http.StatusNotFound {
			out = append(out, p)
		} else if err != nil {
			return nil, err
		}
	}
	return out, nil
}
