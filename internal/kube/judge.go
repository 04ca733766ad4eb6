package kube

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Collection is a resource as the API and as etcd name it.
type Collection struct {
	// Stored is its folder below Root, Path its path in the API.
	Stored, Path string
}

// Steady are the built-in resources that nothing but people and their tools
// make and remove: after a recovery there must be as many as before. Pods,
// leases, events and endpoints come and go by themselves.
func Steady() []Collection {
	return []Collection{
		{"namespaces", "/api/v1/namespaces"}, {"configmaps", "/api/v1/configmaps"}, {"secrets", "/api/v1/secrets"},
		{"serviceaccounts", "/api/v1/serviceaccounts"}, {"services/specs", "/api/v1/services"}, {"minions", "/api/v1/nodes"},
		{"persistentvolumes", "/api/v1/persistentvolumes"}, {"persistentvolumeclaims", "/api/v1/persistentvolumeclaims"},
		{"resourcequotas", "/api/v1/resourcequotas"}, {"limitranges", "/api/v1/limitranges"},
		{"deployments", "/apis/apps/v1/deployments"}, {"daemonsets", "/apis/apps/v1/daemonsets"}, {"statefulsets", "/apis/apps/v1/statefulsets"},
		{"cronjobs", "/apis/batch/v1/cronjobs"}, {"ingress", "/apis/networking.k8s.io/v1/ingresses"},
		{"networkpolicies", "/apis/networking.k8s.io/v1/networkpolicies"}, {"storageclasses", "/apis/storage.k8s.io/v1/storageclasses"},
		{"roles", "/apis/rbac.authorization.k8s.io/v1/roles"}, {"rolebindings", "/apis/rbac.authorization.k8s.io/v1/rolebindings"},
		{"clusterroles", "/apis/rbac.authorization.k8s.io/v1/clusterroles"}, {"clusterrolebindings", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"},
		{"apiextensions.k8s.io/customresourcedefinitions", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"},
	}
}

// Count counts the objects of a resource, asking for one of them only. ok is
// false when the API server does not know the resource.
func (c *Client) Count(ctx context.Context, path string) (n int64, ok bool, err error) {
	var list struct {
		Metadata struct {
			Remaining int64 `json:"remainingItemCount"`
		} `json:"metadata"`
		Items []json.RawMessage `json:"items"`
	}
	_, err = c.Do(ctx, http.MethodGet, path+"?limit=1", nil, &list)
	var status *StatusError
	if errors.As(err, &status) && status.Code == http.StatusNotFound {
		return 0, false, nil
	}
	return int64(len(list.Items)) + list.Metadata.Remaining, err == nil, err
}

// Name is an object's name, with its namespace before a slash if it has one.
type Name struct {
	Name    string
	Created time.Time
}

// metadataOnly asks for lists without what the objects hold
// (apimachinery, meta/v1, PartialObjectMetadataList).
const metadataOnly = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

// Names lists the names of all objects of a resource; what they hold does not
// travel.
func (c *Client) Names(ctx context.Context, path string) ([]Name, error) {
	var out []Name
	for next := ""; ; {
		var list struct {
			Metadata struct {
				Continue string `json:"continue"`
			} `json:"metadata"`
			Items []struct {
				Metadata struct {
					Name              string    `json:"name"`
					Namespace         string    `json:"namespace"`
					CreationTimestamp time.Time `json:"creationTimestamp"`
				} `json:"metadata"`
			} `json:"items"`
		}
		if _, err := c.send(ctx, http.MethodGet, path+"?limit=500&continue="+url.QueryEscape(next), metadataOnly, nil, &list); err != nil {
			return nil, err
		}
		for _, i := range list.Items {
			name := i.Metadata.Name
			if i.Metadata.Namespace != "" {
				name = i.Metadata.Namespace + "/" + name
			}
			out = append(out, Name{name, i.Metadata.CreationTimestamp})
		}
		if next = list.Metadata.Continue; next == "" {
			return out, nil
		}
	}
}

// Whoami asks as whom the API server knows the client.
func (c *Client) Whoami(ctx context.Context) (string, error) {
	ask := map[string]string{"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
	var review struct {
		Status struct {
			UserInfo struct {
				Username string `json:"username"`
			} `json:"userInfo"`
		} `json:"status"`
	}
	_, err := c.Do(ctx, http.MethodPost, "/apis/authentication.k8s.io/v1/selfsubjectreviews", ask, &review)
	return review.Status.UserInfo.Username, err
}

// WatchTooOld tells whether a watch from a revision is refused because the
// revision is too old. One that is served, or stays silent for two seconds, is
// not.
func (c *Client) WatchTooOld(ctx context.Context, revision int64) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s/api/v1/namespaces?watch=1&timeoutSeconds=2&resourceVersion=%d", c.url, revision), nil)
	if err != nil {
		return false, err
	}
	req.Header.Set("Accept", "application/json")
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return false, err
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusGone {
		return true, nil
	}
	if res.StatusCode != http.StatusOK {
		return false, &StatusError{Code: res.StatusCode, Message: "watch of namespaces"}
	}
	in := bufio.NewScanner(res.Body)
	in.Buffer(nil, 1<<20)
	if !in.Scan() {
		return false, in.Err()
	}
	var event struct {
		Type   string
		Object struct {
			Code    int
			Message string
		}
	}
	if err := json.Unmarshal(in.Bytes(), &event); err != nil {
		return false, fmt.Errorf("read watch: %w", err)
	}
	gone := event.Object.Code == http.StatusGone || strings.Contains(event.Object.Message, "too old resource version")
	return event.Type == "ERROR" && gone, nil
}
