package supervise

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/durable"
)

// KeepInitialCluster writes a member's initial cluster, with the state
// "existing", into the environment files of its unit that name one already
// (kubespray's /etc/etcd.env): what was right when the cluster was made lets a
// member that loses its disk later make another one. The old file is kept beside
// it under the case's name, and the new one replaces it whole. It gives the
// files that were changed. A running member does not notice.
func KeepInitialCluster(ctx context.Context, m cluster.Member, o Override) ([]string, error) {
	if m.Run.Systemd == "" || o.InitialCluster == "" {
		return nil, nil
	}
	u, err := show(ctx, m.Run.Systemd)
	if err != nil {
		return nil, err
	}
	var changed []string
	for _, path := range envFiles(u) {
		is, err := o.keep(path)
		if err != nil {
			return changed, fmt.Errorf("write the initial cluster into %s: %w", path, err)
		}
		if is {
			changed = append(changed, path)
		}
	}
	return changed, nil
}

// envFiles gives a unit's environment files but for those of drop-ins that
// Salvor writes; "systemctl show" says after each whether it may be missing.
func envFiles(u unit) []string {
	var out []string
	for line := range strings.Lines(u.files) {
		path, _, _ := strings.Cut(strings.TrimSpace(line), " (ignore_errors=")
		if filepath.IsAbs(path) && filepath.Base(path) != dropInEnv {
			out = append(out, path)
		}
	}
	return out
}

// keep rewrites one environment file, and tells whether it had to.
func (o Override) keep(path string) (bool, error) {
	path, err := filepath.EvalSymlinks(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return false, err
	}
	next, differs := o.environment(string(b))
	if !differs {
		return false, nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return false, err
	}
	kept := path + ".salvor-" + filepath.Base(o.Case)
	if !exists(kept) {
		if err := os.Link(path, kept); err != nil {
			return false, err
		}
	}
	temp := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".salvor-new")
	if err := durable.WriteFile(temp, []byte(next), info.Mode().Perm()); err != nil {
		return false, err
	}
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err == nil {
		_ = os.Chown(temp, int(st.Uid), int(st.Gid)) // root's own anyway where this fails
	}
	if err := os.Rename(temp, path); err != nil {
		return false, err
	}
	return true, durable.SyncDir(filepath.Dir(path))
}

// environment gives an environment file's text with another initial cluster;
// everything else stays. A file that names none is left alone: flags do, and
// those are in the unit.
func (o Override) environment(text string) (next string, differs bool) {
	var b strings.Builder
	named, state := false, false
	write := func(name, old, value string) {
		if q := strings.TrimSpace(old); len(q) > 1 && (q[0] == '"' || q[0] == '\'') && q[len(q)-1] == q[0] {
			value = q[:1] + value + q[:1]
		}
		b.WriteString(name + "=" + value + "\n")
	}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimRight(line, "\r\n"), "=")
		switch strings.TrimSpace(name) {
		case "ETCD_INITIAL_CLUSTER":
			named = true
			write(name, value, o.InitialCluster)
		case "ETCD_INITIAL_CLUSTER_STATE":
			state = true
			write(name, value, "existing")
		default:
			b.WriteString(line)
		}
	}
	if !named {
		return text, false
	}
	if !state {
		if !strings.HasSuffix(b.String(), "\n") {
			b.WriteString("\n")
		}
		b.WriteString("ETCD_INITIAL_CLUSTER_STATE=existing\n")
	}
	return b.String(), b.String() != text
}
