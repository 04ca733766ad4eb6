package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// ErrMany tells a list that is longer than was asked for.
var ErrMany = errors.New("there are too many to ask for all of them")

// listLimit bounds what one question may bring.
const listLimit = 1000

// list asks for a whole collection; ErrMany when it is longer than listLimit.
func (c *Client) list(ctx context.Context, path string) ([]json.RawMessage, error) {
	var l struct {
		Metadata struct {
			Continue string `json:"continue"`
		} `json:"metadata"`
		Items []json.RawMessage `json:"items"`
	}
	sign := "?"
	if strings.Contains(path, "?") {
		sign = "&"
	}
	if _, err := c.Do(ctx, http.MethodGet, fmt.Sprintf("%s%slimit=%d", path, sign, listLimit), nil, &l); err != nil {
		return nil, err
	}
	if l.Metadata.Continue != "" {
		return nil, ErrMany
	}
	return l.Items, nil
}

// named lists the metadata of a whole collection and nothing more of its objects
// (k8s.io/apimachinery/pkg/apis/meta/v1 PartialObjectMetadataList); ErrMany when
// it is longer than listLimit.
func (c *Client) named(ctx context.Context, path string) ([]objectMeta, error) {
	var l struct {
		Metadata struct {
			Continue string `json:"continue"`
		} `json:"metadata"`
		Items []struct {
			Metadata objectMeta `json:"metadata"`
		} `json:"items"`
	}
	const accept = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json"
	if _, err := c.send(ctx, http.MethodGet, fmt.Sprintf("%s?limit=%d", path, listLimit), accept, nil, &l); err != nil {
		return nil, err
	}
	if l.Metadata.Continue != "" {
		return nil, ErrMany
	}
	out := []objectMeta{}
	for _, o := range l.Items {
		out = append(out, o.Metadata)
	}
	return out, nil
}

// Namespaces names all namespaces in order, those that are ending included, and
// gives the uid of kube-system; ErrMany when there are more than a thousand.
func (c *Client) Namespaces(ctx context.Context) (names []string, system string, err error) {
	all, err := c.named(ctx, "/api/v1/namespaces")
	names = []string{}
	for _, o := range all {
		if names = append(names, o.Name); o.Name == "kube-system" {
			system = o.UID
		}
	}
	slices.Sort(names)
	return names, system, err
}

// Definitions names all custom resource definitions in order, those that are
// being deleted included; ErrMany when there are more than a thousand.
func (c *Client) Definitions(ctx context.Context) ([]string, error) {
	all, err := c.named(ctx, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions")
	names := []string{}
	for _, o := range all {
		names = append(names, o.Name)
	}
	slices.Sort(names)
	return names, err
}

// few decodes each object of a collection.
func few[T any](ctx context.Context, c *Client, path string, each func(T)) error {
	items, err := c.list(ctx, path)
	if err != nil {
		return err
	}
	for _, raw := range items {
		var o T
		if err := json.Unmarshal(raw, &o); err != nil {
			return fmt.Errorf("GET %s: read the answer: %w", path, err)
		}
		each(o)
	}
	return nil
}

// condition is one of an object's conditions.
type condition struct{ Type, Status, Reason, Message string }

// LostClaims names the persistent volume claims whose volume is gone.
func (c *Client) LostClaims(ctx context.Context) ([]string, error) {
	type claim struct {
		Metadata objectMeta `json:"metadata"`
		Status   struct {
			Phase string `json:"phase"`
		} `json:"status"`
	}
	out := []string{}
	err := few(ctx, c, "/api/v1/persistentvolumeclaims", func(o claim) {
		if o.Status.Phase == "Lost" {
			out = append(out, o.Metadata.Namespace+"/"+o.Metadata.Name)
		}
	})
	return out, err
}

// Terminating names the namespaces that have been ending since before a
// moment, each with what its conditions say that it waits for.
func (c *Client) Terminating(ctx context.Context, before time.Time) ([]string, error) {
	type namespace struct {
		Metadata objectMeta `json:"metadata"`
		Status   struct {
			Conditions []condition `json:"conditions"`
		} `json:"status"`
	}
	out := []string{}
	err := few(ctx, c, "/api/v1/namespaces", func(o namespace) {
		if o.Metadata.DeletionTimestamp == nil || o.Metadata.DeletionTimestamp.After(before) {
			return
		}
		why := ""
		for _, x := range o.Status.Conditions {
			if x.Status == "True" {
				why = ": " + x.Reason
			}
		}
		out = append(out, o.Metadata.Name+why)
	})
	return out, err
}

// Unavailable names the aggregated APIs that do not answer, each with the
// reason.
func (c *Client) Unavailable(ctx context.Context) ([]string, error) {
	type service struct {
		Metadata objectMeta `json:"metadata"`
		Status   struct {
			Conditions []condition `json:"conditions"`
		} `json:"status"`
	}
	out := []string{}
	err := few(ctx, c, "/apis/apiregistration.k8s.io/v1/apiservices", func(o service) {
		for _, x := range o.Status.Conditions {
			if x.Type == "Available" && x.Status != "True" {
				out = append(out, o.Metadata.Name+": "+x.Reason)
			}
		}
	})
	return out, err
}

// PodsOn gives the uids of the pods that the API has on a node, those of static
// pods' mirrors included.
func (c *Client) PodsOn(ctx context.Context, node string) ([]string, error) {
	type pod struct {
		Metadata objectMeta `json:"metadata"`
	}
	out := []string{}
	err := few(ctx, c, "/api/v1/pods?fieldSelector="+url.QueryEscape("spec.nodeName="+node), func(o pod) { out = append(out, o.Metadata.UID) })
	return out, err
}

// ClosedHook is a webhook that fails closed as the API has it.
type ClosedHook struct {
	Hook
	// Object is the configuration: KIND/NAME.
	Object string
	// Ready tells whether its service has an endpoint that is ready.
	Ready bool
}

// HookNames lists the names of all admission webhooks, in order.
func (c *Client) HookNames(ctx context.Context) ([]string, error) {
	out := []string{}
	for _, plural := range []string{"mutatingwebhookconfigurations", "validatingwebhookconfigurations"} {
		items, err := c.list(ctx, "/apis/admissionregistration.k8s.io/v1/"+plural)
		if err != nil {
			return nil, err
		}
		for _, raw := range items {
			var o struct {
				Webhooks []struct {
					Name string `json:"name"`
				} `json:"webhooks"`
			}
			if err := json.Unmarshal(raw, &o); err != nil {
				return nil, err
			}
			for _, w := range o.Webhooks {
				out = append(out, w.Name)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// ClosedHooks lists the admission webhooks that fail closed, stand in the way
// of something vital and ask a service of the cluster.
func (c *Client) ClosedHooks(ctx context.Context) ([]ClosedHook, error) {
	out := []ClosedHook{}
	for kind, plural := range map[string]string{"MutatingWebhookConfiguration": "mutatingwebhookconfigurations", "ValidatingWebhookConfiguration": "validatingwebhookconfigurations"} {
		items, err := c.list(ctx, "/apis/admissionregistration.k8s.io/v1/"+plural)
		if err != nil {
			return nil, err
		}
		for _, raw := range items {
			var o struct {
				Metadata objectMeta `json:"metadata"`
			}
			hooks, err := ReadHooks(raw, kind[0] == 'M')
			if err = errors.Join(err, json.Unmarshal(raw, &o)); err != nil {
				return nil, err
			}
			for _, h := range hooks {
				if h.Service != "" {
					out = append(out, ClosedHook{Hook: h, Object: kind + "/" + o.Metadata.Name})
				}
			}
		}
	}
	ready := map[string]bool{}
	for i, h := range out {
		key := h.Namespace + "/" + h.Service
		if _, asked := ready[key]; !asked {
			is, err := c.serviceReady(ctx, h.Namespace, h.Service)
			if err != nil {
				return nil, err
			}
			ready[key] = is
		}
		out[i].Ready = ready[key]
	}
	return out, nil
}

// serviceReady tells whether a service has an endpoint that is ready.
func (c *Client) serviceReady(ctx context.Context, namespace, name string) (bool, error) {
	items, err := c.list(ctx, "/apis/discovery.k8s.io/v1/namespaces/"+url.PathEscape(namespace)+"/endpointslices?labelSelector="+url.QueryEscape("kubernetes.io/service-name="+name))
	ready := false
	for _, raw := range items {
		_, is, err := ReadySlice(raw)
		if err != nil {
			return false, err
		}
		ready = ready || is
	}
	return ready, err
}
