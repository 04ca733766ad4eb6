package observe

import (
	"os"
	"strings"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/kube"
)

// imageVersion is the version of etcd that a member's manifest asks for, by the
// tag of its image ("registry.k8s.io/etcd:3.5.21-0"); empty when there is no
// manifest or no such tag.
func imageVersion(m cluster.Member) string {
	if m.Run.StaticPod == "" {
		return ""
	}
	b, err := os.ReadFile(m.Run.StaticPod)
	if err != nil {
		return ""
	}
	pod, err := kube.ReadPodFile(b)
	if err != nil {
		return ""
	}
	return tagVersion(pod.Image)
}

// tagVersion reads an image's tag as a version of etcd.
func tagVersion(image string) string {
	image, _, _ = strings.Cut(image, "@")
	_, tag, ok := strings.Cut(image[strings.LastIndex(image, "/")+1:], ":")
	tag, _, _ = strings.Cut(strings.TrimPrefix(tag, "v"), "-")
	if !ok || cluster.Minor(tag) == "" {
		return ""
	}
	return tag
}
