package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/salvor-project/salvor/internal/datadir"
	"github.com/salvor-project/salvor/internal/kube"
	"github.com/salvor-project/salvor/internal/report"
)

// readOptions are the flags of snapshot ls and get.
type readOptions struct {
	scratch  scratchFlag
	wal      string
	revision int64
	raw      bool
}

func (o *readOptions) add(c *cobra.Command) {
	c.Flags().Int64Var(&o.revision, "revision", 0, "as it was at this revision (default: the newest)")
	addWALDir(c, &o.wal)
	o.scratch.add(c)
}

// keyLine is one key of a list; with -o json values are left out of a list.
type keyLine struct {
	Key            string    `json:"key"`
	CreateRevision int64     `json:"createRevision"`
	ModRevision    int64     `json:"modRevision"`
	Version        int64     `json:"version"`
	Lease          int64     `json:"lease,omitempty"`
	Bytes          int       `json:"bytes"`
	Encoding       string    `json:"encoding"`
	APIVersion     string    `json:"apiVersion,omitempty"`
	Kind           string    `json:"objectKind,omitempty"`
	Namespace      string    `json:"namespace,omitempty"`
	Name           string    `json:"name,omitempty"`
	UID            string    `json:"uid,omitempty"`
	Created        time.Time `json:"created,omitzero"`
	Provider       string    `json:"encryptedWith,omitempty"`
	Unreadable     string    `json:"unreadable,omitempty"`
	// Value is base64 in JSON; only get has it.
	Value []byte `json:"value,omitempty"`
}

func newKeyLine(kv *mvccpb.KeyValue) keyLine {
	l := keyLine{
		Key: string(kv.Key), CreateRevision: kv.CreateRevision, ModRevision: kv.ModRevision, Version: kv.Version,
		Lease: kv.Lease, Bytes: len(kv.Value),
	}
	o, err := kube.Decode(l.Key, kv.Value)
	if err != nil {
		l.Encoding, l.Unreadable = "unreadable", err.Error()
		return l
	}
	l.Encoding, l.Kind, l.Namespace, l.Name, l.UID, l.Created = string(o.Encoding), o.Kind, o.Namespace, o.Name, o.UID, o.Created
	l.APIVersion = strings.TrimPrefix(o.Group+"/"+o.Version, "/")
	l.Provider = o.Provider
	return l
}

func (a *app) snapshotListCommand() *cobra.Command {
	var o readOptions
	c := &cobra.Command{
		Use:   "ls FILE [PREFIX]",
		Short: "List the live keys of a snapshot or data dir",
		Long: `Ls lists keys in byte order with modification revision, version, size and kind.
PREFIX begins with / or is a path below /registry.

Example:
  salvor snapshot ls /backup/etcd/snap.db secrets/kube-system/

` + exitCodes,
		Args: args(cobra.RangeArgs(1, 2)),
	}
	o.add(c)
	c.RunE = func(c *cobra.Command, list []string) error {
		if err := a.formats("text", "json"); err != nil {
			return err
		}
		prefix := ""
		if len(list) == 2 {
			prefix = fullKey(list[1])
		}
		var w interface {
			line(keyLine) error
			end() error
		} = textList{a.out}
		if a.output == "json" {
			w = &jsonList{w: a.out}
		}
		err := a.read(c.Context(), list[0], o, func(kv *mvccpb.KeyValue) error {
			if !strings.HasPrefix(string(kv.Key), prefix) {
				return nil
			}
			return w.line(newKeyLine(kv))
		})
		if err != nil {
			return err
		}
		return w.end()
	}
	return c
}

// read visits every live key of a subject.
func (a *app) read(ctx context.Context, path string, o readOptions, visit func(*mvccpb.KeyValue) error) error {
	s, err := newSubject(path, o.wal)
	if err != nil {
		return err
	}
	db, done, err := a.image(ctx, s, o.scratch.dir)
	if err != nil {
		return err
	}
	defer done()
	return datadir.Each(ctx, db, o.revision, visit)
}

// fullKey puts /registry before what is given without it.
func fullKey(s string) string {
	if s == "" || strings.HasPrefix(s, "/") || s == "compact_rev_key" {
		return s
	}
	return kube.Root + s
}

type textList struct{ w io.Writer }

func (t textList) line(l keyLine) error {
	_, err := fmt.Fprintf(t.w, "%12d %8d %10d  %-24s %s\n", l.ModRevision, l.Version, l.Bytes, l.what(), visible(l.Key))
	return err
}

func (t textList) end() error { return nil }

// what names the kind of a value.
func (l keyLine) what() string {
	switch {
	case l.Kind != "":
		return l.Kind
	case l.Provider != "":
		return l.Encoding + " (" + l.Provider + ")"
	}
	return l.Encoding
}

// visible keeps control bytes of a key away from a terminal.
func visible(s string) string {
	if q := strconv.Quote(s); q[1:len(q)-1] != s {
		return q
	}
	return s
}

// jsonList writes a list key by key, whatever its length.
type jsonList struct {
	w     io.Writer
	lines int
}

func (j *jsonList) line(l keyLine) error {
	b, err := json.Marshal(l)
	if err != nil {
		return err
	}
	head := ",\n    "
	if j.lines == 0 {
		head = "{\n  \"kind\": \"SnapshotKeys\",\n  \"keys\": [\n    "
	}
	j.lines++
	_, err = fmt.Fprintf(j.w, "%s%s", head, b)
	return err
}

func (j *jsonList) end() error {
	if j.lines == 0 {
		_, err := io.WriteString(j.w, "{\n  \"kind\": \"SnapshotKeys\",\n  \"keys\": []\n}\n")
		return err
	}
	_, err := io.WriteString(j.w, "\n  ]\n}\n")
	return err
}

var errFound = errors.New("found")

func (a *app) snapshotGetCommand() *cobra.Command {
	var o readOptions
	c := &cobra.Command{
		Use:   "get FILE KEY",
		Short: "Print one key of a snapshot or data dir",
		Long: `Get prints what is known of a key and, when it is text, its value. --raw writes
the value's bytes and nothing else, ready for etcdctl put. KEY begins with / or
is a path below /registry.

Example:
  salvor snapshot get /backup/etcd/snap.db configmaps/kube-system/coredns --raw

` + exitCodes,
		Args: args(cobra.ExactArgs(2)),
	}
	o.add(c)
	c.Flags().BoolVar(&o.raw, "raw", false, "write the value's bytes and nothing else")
	c.RunE = func(c *cobra.Command, list []string) error {
		if err := a.formats("text", "json"); err != nil {
			return err
		}
		key := fullKey(list[1])
		var found keyLine
		err := a.read(c.Context(), list[0], o, func(kv *mvccpb.KeyValue) error {
			if string(kv.Key) != key && string(kv.Key) != list[1] {
				return nil
			}
			found = newKeyLine(kv)
			found.Value = append([]byte(nil), kv.Value...)
			return errFound
		})
		if err == nil {
			return hint(fmt.Errorf("no key %q lives there", key), "`salvor snapshot ls %s` lists what does", list[0])
		}
		if !errors.Is(err, errFound) {
			return err
		}
		return a.showKey(found, o.raw)
	}
	return c
}

func (a *app) showKey(l keyLine, raw bool) error {
	switch {
	case raw:
		_, err := a.out.Write(l.Value)
		return err
	case a.output == "json":
		return report.JSON(a.out, "SnapshotKey", l)
	}
	text := fmt.Sprintf("key              %s\nkind             %s\ncreate revision  %d\nmod revision     %d\nversion          %d\n",
		visible(l.Key), strings.TrimSpace(l.what()+" "+strings.Trim(l.APIVersion, "/")), l.CreateRevision, l.ModRevision, l.Version)
	if l.Lease != 0 {
		text += fmt.Sprintf("lease            %x\n", l.Lease)
	}
	if !l.Created.IsZero() {
		text += fmt.Sprintf("created          %s\n", l.Created.Format(time.RFC3339))
	}
	if l.Unreadable != "" {
		text += fmt.Sprintf("unreadable       %s\n", l.Unreadable)
	}
	text += fmt.Sprintf("bytes            %d\n", l.Bytes)
	if isText(l.Value) {
		text += "\n" + strings.TrimSuffix(string(l.Value), "\n") + "\n"
	} else {
		text += "\nThe value is binary: --raw writes it.\n"
	}
	return a.say("%s", text)
}

// isText tells whether a value can be shown on a terminal.
func isText(b []byte) bool {
	if !utf8.Valid(b) {
		return false
	}
	return !strings.ContainsFunc(string(b), func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' })
}
