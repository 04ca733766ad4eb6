package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/durable"
)

// SaveOptions say how Save writes.
type SaveOptions struct {
	// Force replaces a file that exists; the old one is kept beside it.
	Force bool
	// Notes become comments at the top: what is still to be looked at.
	Notes []string
}

// ErrExists is in the error of Save when the file exists and Force is not set.
var ErrExists = fs.ErrExist

// Save writes a configuration file as a person would have written it, with
// mode 0600, whole or not at all, and durably. The configuration need not be
// valid: a file with a gap that its notes name is better than none. With Force
// an older file is renamed to PATH.old-TIME, whose name is returned.
func Save(path string, cfg cluster.Config, o SaveOptions) (kept string, err error) {
	b, err := Render(cfg, o.Notes)
	if err != nil {
		return "", err
	}
	fail := func(err error) (string, error) { return "", fmt.Errorf("write configuration %s: %w", path, err) }
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fail(err)
	}
	temp, err := writeTemp(dir, b)
	if err != nil {
		return fail(err)
	}
	defer os.Remove(temp)
	if o.Force {
		if kept, err = keepOld(path); err != nil {
			return fail(err)
		}
		err = os.Rename(temp, path)
	} else {
		// A link, unlike a rename, never replaces what is there.
		err = os.Link(temp, path)
	}
	if errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("write configuration: %s: %w; --force replaces it and keeps the old one beside it", path, ErrExists)
	}
	if err != nil {
		return fail(err)
	}
	if err := durable.SyncDir(dir); err != nil {
		return fail(err)
	}
	return kept, nil
}

func writeTemp(dir string, b []byte) (string, error) {
	f, err := os.CreateTemp(dir, ".salvor.yaml-*") // 0600
	if err != nil {
		return "", err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}

// keepOld gives the old file a second name, so that there is no moment in
// which the first one is missing.
func keepOld(path string) (string, error) {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	kept := path + ".old-" + time.Now().UTC().Format("20060102T150405.000Z")
	return kept, os.Link(path, kept)
}

// section is one top-level field with the words above it.
type section struct {
	field, comment string
	value          any
	skip           bool
}

// Render gives the text that Save writes.
func Render(cfg cluster.Config, notes []string) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(`# What Salvor knows of one control plane: its machines, its etcd members and
# where its snapshots lie. Every field: docs/CONFIG.md; for editors:
# docs/salvor.schema.json. Keep a copy of this file away from these machines.
#
# Next: salvor diagnose
`)
	if len(notes) > 0 {
		b.WriteString("#\n# To look at:\n")
		for _, n := range notes {
			b.WriteString(comment("- "+n, "  "))
		}
	}
	for _, s := range sections(cfg) {
		if s.skip {
			continue
		}
		b.WriteString("\n" + comment(s.comment, ""))
		if err := writeField(&b, s.field, s.value); err != nil {
			return nil, fmt.Errorf("write configuration: field %s: %w", s.field, err)
		}
	}
	return b.Bytes(), nil
}

func sections(cfg cluster.Config) []section {
	return []section{
		{field: "cluster", comment: "A name for people; it appears in reports.", value: cfg.Cluster},
		{field: "hosts", comment: "The machines. via: ssh reaches another one, local works in the salvor process " +
			"itself, child in a child process on this machine. stateDir holds Salvor's lock, cases and images.", value: cfg.Hosts},
		{field: "members", comment: "The etcd members that the cluster ought to have. run says who starts and stops " +
			"a member: a systemd unit, a kubelet from a static pod's manifest, or Salvor itself with a command.", value: cfg.Members},
		{field: "client", comment: "What Salvor shows etcd when it asks a live member.", value: cfg.Client, skip: cfg.Client == (cluster.TLS{})},
		{field: "kubernetes", comment: "What stands on the members: the load balancer before the API servers, and every machine with a " +
			"kubelet. api is the machine's own API server, kubeconfig a file there with which Salvor may ask it.",
			value: cfg.Kubernetes, skip: cfg.Kubernetes.LoadBalancer == "" && len(cfg.Kubernetes.Nodes) == 0},
		{field: "snapshots", comment: "Files that are etcd snapshots, and folders that hold some.", value: cfg.Snapshots, skip: len(cfg.Snapshots) == 0},
		{field: "witnesses", comment: "Files that note the highest revision ever seen, for the day when etcd itself " +
			"is lost.", value: cfg.Witnesses, skip: len(cfg.Witnesses) == 0},
		{field: "objectives", comment: "What was promised: time until recovered (rto), and how much may be lost (rpo).",
			value: cfg.Objectives, skip: cfg.Objectives == (cluster.Objectives{})},
		{field: "vault", comment: "Where backups lie, and how they are sealed. Secrets lie in files of their own.", value: cfg.Vault, skip: cfg.Vault == nil},
		{field: "backup", comment: "When backups are made, and how.", value: cfg.Backup, skip: cfg.Backup == nil},
	}
}

// comment breaks a text into comment lines of at most 80 columns.
func comment(text, indent string) string {
	var b strings.Builder
	line := "#"
	for i, word := range strings.Fields(text) {
		if i > 0 && len(line)+1+len(word) > 80 {
			b.WriteString(line + "\n")
			line = "#" + indent
		}
		line += " " + word
	}
	return b.String() + line + "\n"
}

func writeField(b *bytes.Buffer, field string, value any) error {
	var n yaml.Node
	if err := n.Encode(map[string]any{field: value}); err != nil {
		return err
	}
	tidy(&n)
	if field == "objectives" {
		shortDurations(&n)
	}
	e := yaml.NewEncoder(b)
	e.SetIndent(2)
	return errors.Join(e.Encode(&n), e.Close())
}

// flowLimit is how long a list may be to stand on one line.
const flowLimit = 90

// tidy writes short lists of texts on one line and long ones below each other.
func tidy(n *yaml.Node) {
	if n.Kind == yaml.SequenceNode {
		size, plain := 0, true
		for _, c := range n.Content {
			size += len(c.Value) + 2
			plain = plain && c.Kind == yaml.ScalarNode
		}
		n.Style &^= yaml.FlowStyle
		if plain && size <= flowLimit {
			n.Style |= yaml.FlowStyle
		}
	}
	n.Style &^= yaml.SingleQuotedStyle // the encoder quotes where it has to
	for _, c := range n.Content {
		tidy(c)
	}
}

// shortDurations writes 15m for time.Duration's 15m0s.
func shortDurations(n *yaml.Node) {
	if n.Kind == yaml.ScalarNode {
		n.Value = shortDuration(n.Value)
	}
	for _, c := range n.Content {
		shortDurations(c)
	}
}

func shortDuration(s string) string {
	if v, ok := strings.CutSuffix(s, "m0s"); ok {
		s = v + "m"
	}
	if v, ok := strings.CutSuffix(s, "h0m"); ok {
		s = v + "h"
	}
	return s
}
