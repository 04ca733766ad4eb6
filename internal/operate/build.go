package operate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/datadir"
	"github.com/salvor-project/salvor/internal/plan"
	"github.com/salvor-project/salvor/internal/supervise"
)

// Built is the result of BuildMember.
type Built struct {
	Dir       string     `json:"dir"`
	ClusterID cluster.ID `json:"clusterID"`
	MemberID  cluster.ID `json:"memberID"`
	// Revision is the newest revision after the bump; 0 when it was not read.
	Revision int64 `json:"revision,omitempty"`
}

// buildDone: the identity that follows from the fresh token is found in the
// built folder, or, once that has been put in place, in the member's own. A
// folder that holds something else is for a person.
func (env Env) buildDone(ctx context.Context, a plan.BuildMember) (State, any, error) {
	m, err := env.here(a.Member)
	if err != nil {
		return Unsure, nil, err
	}
	want := Built{Dir: a.Dir}
	if want.ClusterID, want.MemberID, err = datadir.Identity(a.Name, a.InitialCluster, a.Token); err != nil {
		return Unsure, nil, err
	}
	dirs := []string{a.Dir}
	if a.Like != "" {
		dirs = append(dirs, a.Like)
	}
	foreign := false
	for i, dir := range dirs {
		for _, wal := range []string{a.WALDir, m.WALDir} {
			d, err := datadir.Inspect(ctx, dir, wal)
			if err != nil {
				return Unsure, nil, err
			}
			if d.ClusterID.OK && d.ClusterID.Value == want.ClusterID && d.MemberID.Value == want.MemberID && d.DB.OK {
				want.Dir, want.Revision = dir, d.DB.Value.Revision
				if i > 0 { // it may have grown since
					want.Revision = builtRevision(want, a)
				}
				if i == 0 && !owned(ctx, m, a) {
					return No, nil, nil
				}
				return Yes, want, nil
			}
			foreign = foreign || i == 0 && (d.State == cluster.DirData || d.State == cluster.DirForeign)
		}
	}
	if foreign {
		return Unsure, note{fmt.Sprintf("%s exists and is not what was to be built: look what it is and move it away", a.Dir)}, nil
	}
	return No, nil, nil
}

// builtRevision reads the revision that a member was built with from the note
// that datadir.BuildMember leaves beside; 0 when there is none.
func builtRevision(want Built, a plan.BuildMember) int64 {
	raw, err := os.ReadFile(filepath.Clean(a.Dir) + ".salvor.json")
	var b datadir.Built
	if err != nil || json.Unmarshal(raw, &b) != nil || b.ClusterID != want.ClusterID || b.MemberID != want.MemberID {
		return 0
	}
	return b.Revision
}

// build writes beside and renames; datadir.BuildMember finishes or repeats what
// was interrupted. Owner and mode are set last, and buildDone looks at them.
func (env Env) build(ctx context.Context, a plan.BuildMember, progress func(done, total int64)) (any, error) {
	m, err := env.here(a.Member)
	if err != nil {
		return nil, err
	}
	b, err := datadir.BuildMember(ctx, datadir.Build{
		Image: a.Image, Dir: a.Dir, WALDir: a.WALDir, Name: a.Name, PeerURLs: a.PeerURLs,
		InitialCluster: a.InitialCluster, Token: a.Token, BumpRevision: a.Bump, MarkCompacted: a.Bump > 0,
		Target: datadir.TargetOf(a.Target),
	}, progress)
	if err != nil {
		return nil, err
	}
	if err := own(ctx, m, a); err != nil {
		return nil, fmt.Errorf("build %s: %w", a.Dir, err)
	}
	return Built{Dir: b.Dir, ClusterID: b.ClusterID, MemberID: b.MemberID, Revision: b.Revision}, nil
}

// owner is who a member's files belong to.
type owner struct {
	uid, gid int
	mode     fs.FileMode // 0 leaves it
	label    []byte      // the SELinux context; nil leaves it
}

// ownerOf takes owner, mode and SELinux context from the member's own folder or, where that is
// lost, the owner from its systemd unit. Only root can give files away.
func ownerOf(ctx context.Context, m cluster.Member, a plan.BuildMember) (owner, bool) {
	for _, path := range []string{a.Like, filepath.Join(m.DataDir, "member"), m.WALDir} {
		if path == "" {
			continue
		}
		info, err := os.Stat(path)
		if err != nil {
			continue
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			return owner{int(st.Uid), int(st.Gid), info.Mode().Perm(), labelOf(path)}, true
		}
	}
	uid, gid, ok := supervise.User(ctx, m)
	return owner{uid: uid, gid: gid}, ok
}

// built lists the folders that a build made.
func built(a plan.BuildMember) []string {
	if a.WALDir != "" {
		return []string{a.Dir, a.WALDir}
	}
	return []string{a.Dir}
}

func owned(ctx context.Context, m cluster.Member, a plan.BuildMember) bool {
	o, ok := ownerOf(ctx, m, a)
	if !ok || os.Geteuid() != 0 {
		return true
	}
	same := true
	for _, dir := range built(a) {
		err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := e.Info()
			if err != nil {
				return err
			}
			st, ok := info.Sys().(*syscall.Stat_t)
			same = same && ok && int(st.Uid) == o.uid && int(st.Gid) == o.gid && (o.label == nil || bytes.Equal(labelOf(path), o.label))
			return nil
		})
		same = same && err == nil
	}
	return same
}

func own(ctx context.Context, m cluster.Member, a plan.BuildMember) error {
	o, ok := ownerOf(ctx, m, a)
	if !ok {
		return nil
	}
	for _, dir := range built(a) {
		if os.Geteuid() == 0 {
			if err := chown(dir, o); err != nil {
				return err
			}
		}
		if o.mode != 0 {
			if err := os.Chmod(dir, o.mode); err != nil {
				return fmt.Errorf("set mode: %w", err)
			}
		}
	}
	return nil
}

func chown(dir string, o owner) error {
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(path, o.uid, o.gid), setLabel(path, o.label))
	})
	if err != nil {
		return fmt.Errorf("give %s to its owner: %w", dir, err)
	}
	return nil
}
