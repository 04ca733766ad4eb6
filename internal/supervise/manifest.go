package supervise

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
	"golang.org/x/sys/unix"

	"github.com/salvor-project/salvor/internal/durable"
)

// podName is what a manifest calls its pod.
type podName struct{ namespace, name string }

// commandOf gives the command line that a manifest's first container runs; nil
// where it does not say.
func commandOf(b []byte) []string {
	var f struct {
		Spec struct {
			Containers []struct {
				Command []string `yaml:"command"`
				Args    []string `yaml:"args"`
			} `yaml:"containers"`
		} `yaml:"spec"`
	}
	if yaml.Unmarshal(b, &f) != nil || len(f.Spec.Containers) == 0 || len(f.Spec.Containers[0].Command) == 0 {
		return nil
	}
	c := f.Spec.Containers[0]
	return append(append([]string{}, c.Command...), c.Args...)
}

// namePod reads a manifest's pod. The kubelet takes YAML and JSON with exactly
// one document (k8s.io/kubernetes pkg/kubelet/config/common.go).
func namePod(b []byte) (podName, error) {
	var f struct {
		Kind     string `yaml:"kind"`
		Metadata struct {
			Name      string `yaml:"name"`
			Namespace string `yaml:"namespace"`
		} `yaml:"metadata"`
	}
	d := yaml.NewDecoder(bytes.NewReader(b))
	if err := d.Decode(&f); err != nil {
		return podName{}, fmt.Errorf("read manifest: %w", err)
	}
	var second any
	if err := d.Decode(&second); !errors.Is(err, io.EOF) {
		return podName{}, errors.New("read manifest: it holds more than one document")
	}
	if f.Kind != "Pod" || f.Metadata.Name == "" {
		return podName{}, fmt.Errorf("read manifest: it is a %q with the name %q, not a pod", f.Kind, f.Metadata.Name)
	}
	if f.Metadata.Namespace == "" {
		f.Metadata.Namespace = "default"
	}
	return podName{f.Metadata.Namespace, f.Metadata.Name}, nil
}

// rewrite gives a manifest with another initial cluster; all else, comments
// included, stays. same is true when it says that already.
func (o Override) rewrite(manifest []byte) (out []byte, same bool, err error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(manifest, &doc); err != nil {
		return nil, false, fmt.Errorf("read manifest: %w", err)
	}
	list := flagList(&doc)
	if list == nil {
		return nil, false, errors.New("read manifest: its container has no command with etcd's flags")
	}
	var words []string
	for _, n := range list.Content {
		words = append(words, n.Value)
	}
	cluster, _ := flagValue(words, "initial-cluster")
	state, _ := flagValue(words, "initial-cluster-state")
	if cluster == o.InitialCluster && state == "existing" {
		return manifest, true, nil
	}
	// withoutFlags keeps the first word whatever it is; args may begin with a flag.
	kept, _ := withoutFlags(append([]string{""}, words...))
	list.Content = nil
	for _, w := range append(kept[1:], "--initial-cluster="+o.InitialCluster, "--initial-cluster-state=existing") {
		list.Content = append(list.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: w})
	}
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	e.CompactSeqIndent() // as kubeadm writes it: who compares the two sees what changed
	if err := errors.Join(e.Encode(&doc), e.Close()); err != nil {
		return nil, false, fmt.Errorf("write manifest: %w", err)
	}
	return b.Bytes(), false, nil
}

// flagList finds the list that holds etcd's flags: the first container's args
// if there are any, else its command.
func flagList(doc *yaml.Node) *yaml.Node {
	if len(doc.Content) == 0 {
		return nil
	}
	containers := child(child(doc.Content[0], "spec"), "containers")
	if containers == nil || containers.Kind != yaml.SequenceNode || len(containers.Content) == 0 {
		return nil
	}
	for _, field := range []string{"args", "command"} {
		if l := child(containers.Content[0], field); l != nil && l.Kind == yaml.SequenceNode && len(l.Content) > 0 {
			return l
		}
	}
	return nil
}

func child(n *yaml.Node, field string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == field {
			return n.Content[i+1]
		}
	}
	return nil
}

// shelf is where a manifest lies and where it is kept while its pod must not
// run: a folder beside the kubelet's, on the same file system.
type shelf struct{ dir, base, kept string }

func newShelf(manifest string) (shelf, error) {
	dir, err := filepath.EvalSymlinks(filepath.Dir(manifest))
	if err != nil {
		return shelf{}, fmt.Errorf("find folder of manifests: %w", err)
	}
	s := shelf{dir: dir, base: filepath.Base(manifest), kept: dir + ".salvor"}
	var own, parent unix.Stat_t
	if err := errors.Join(unix.Stat(dir, &own), unix.Stat(filepath.Dir(dir), &parent)); err != nil {
		return shelf{}, fmt.Errorf("look at folder of manifests: %w", err)
	}
	if own.Dev != parent.Dev {
		// A mount point. The kubelet reads neither names that begin with a dot
		// nor folders (pkg/kubelet/config/file.go).
		s.kept = filepath.Join(dir, ".salvor")
	}
	return s, nil
}

func (s shelf) live() string   { return filepath.Join(s.dir, s.base) }
func (s shelf) parked() string { return filepath.Join(s.kept, s.base) }

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// doubles are the other files in the kubelet's folder that define the same
// pod: it reads every name that does not begin with a dot, and which of two
// wins is chance.
func (s shelf) doubles(p podName) ([]string, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, fmt.Errorf("read folder of manifests: %w", err)
	}
	var out []string
	for _, e := range entries {
		if e.IsDir() || e.Name() == s.base || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		b, err := os.ReadFile(filepath.Join(s.dir, e.Name()))
		if err != nil {
			continue // gone meanwhile
		}
		if other, err := namePod(b); err == nil && other == p {
			out = append(out, e.Name())
		}
	}
	return out, nil
}

// park takes the manifest, and every other file that defines its pod, out of
// the kubelet's folder by rename. A manifest that is out already stays.
func (s shelf) park(p podName) error {
	names, err := s.doubles(p)
	if err != nil {
		return err
	}
	if exists(s.live()) {
		names = append(names, s.base)
	}
	if len(names) == 0 {
		return nil
	}
	if err := durable.MakeDir(s.kept); err != nil {
		return fmt.Errorf("park manifest: %w", err)
	}
	for _, name := range names {
		if err := s.older(name); err != nil {
			return err
		}
		if err := moveNew(filepath.Join(s.dir, name), filepath.Join(s.kept, name)); err != nil {
			return fmt.Errorf("park manifest: %w", err)
		}
	}
	return errors.Join(durable.SyncDir(s.kept), durable.SyncDir(s.dir))
}

func olderTag() string { return ".older-" + time.Now().UTC().Format("20060102T150405.000000Z") }

// older gives what is parked under a name another one: nothing is replaced.
func (s shelf) older(name string) error {
	path := filepath.Join(s.kept, name)
	if !exists(path) {
		return nil
	}
	if err := moveNew(path, path+olderTag()); err != nil {
		return fmt.Errorf("keep an older manifest: %w", err)
	}
	return nil
}

// before is where the manifest from before a case is kept.
func (s shelf) before(of string) string { return s.parked() + ".older-case-" + filepath.Base(of) }

// keepFor keeps the parked manifest as the one from before a case; the first one
// stays.
func (s shelf) keepFor(of string) error {
	if of == "" || exists(s.before(of)) {
		return nil
	}
	if err := os.Link(s.parked(), s.before(of)); err != nil {
		return fmt.Errorf("keep the manifest from before: %w", err)
	}
	return durable.SyncDir(s.kept)
}

// unpark puts the manifest back into the kubelet's folder by rename.
func (s shelf) unpark() error {
	if err := moveNew(s.parked(), s.live()); err != nil {
		return fmt.Errorf("put manifest back: %w", err)
	}
	return errors.Join(durable.SyncDir(s.dir), durable.SyncDir(s.kept))
}

// replace gives the parked manifest new content, with the old one's owner and
// mode; the old one is kept beside it.
func (s shelf) replace(content []byte) error {
	info, err := os.Stat(s.parked())
	if err != nil {
		return fmt.Errorf("replace manifest: %w", err)
	}
	next := filepath.Join(s.kept, "."+s.base+".new")
	if err := durable.WriteFile(next, content, info.Mode().Perm()); err != nil {
		return fmt.Errorf("replace manifest: %w", err)
	}
	var st unix.Stat_t
	if err := unix.Stat(s.parked(), &st); err == nil {
		_ = os.Chown(next, int(st.Uid), int(st.Gid)) // root's own anyway where this fails
	}
	// A second name first, so that there is no moment without a manifest.
	if err := os.Link(s.parked(), s.parked()+olderTag()); err != nil {
		return fmt.Errorf("keep an older manifest: %w", err)
	}
	if err := os.Rename(next, s.parked()); err != nil {
		return fmt.Errorf("replace manifest: %w", err)
	}
	return durable.SyncDir(s.kept)
}
