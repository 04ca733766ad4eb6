package observe

import (
	"context"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/supervise"
)

// What etcd does with its folders and with its files.
const (
	folderRights = 0o7
	fileRights   = 0o6
)

// barred says what of a data dir the user as whom etcd runs may not use. An etcd
// that may not list the folder of its log takes itself for a new member, and
// says nothing of rights. Lists of rights beside owner, group and others are not
// looked at, nor are the user's further groups: where a group has the right, etcd
// counts as being in it.
func barred(ctx context.Context, m cluster.Member) string {
	paths := ownPaths(m)
	if len(paths) == 0 || !suspicious(paths) && m.Run.Process == nil {
		return ""
	}
	uid, gid, ok := supervise.User(ctx, m)
	if !ok || uid == 0 {
		return ""
	}
	for _, p := range paths {
		if !p.open(uint32(uid), uint32(gid)) {
			return fmt.Sprintf("%s is %s of %s, and etcd runs as %s", p.path, p.info.Mode(), userName(p.owner), userName(uint32(uid)))
		}
	}
	return ""
}

// owned is a file or folder with its owners.
type owned struct {
	path         string
	info         os.FileInfo
	owner, group uint32
}

// ownPaths are the folders of a data dir, its db and the files of its log, from
// the top.
func ownPaths(m cluster.Member) []owned {
	paths := []string{m.DataDir, filepath.Join(m.DataDir, "member"), filepath.Join(m.DataDir, "member", "snap"), filepath.Join(m.DataDir, "member", "snap", "db"), m.WAL()}
	entries, err := os.ReadDir(m.WAL())
	if err == nil {
		for _, e := range entries {
			if ext := filepath.Ext(e.Name()); ext != ".wal" && ext != ".tmp" {
				continue // etcd passes over it
			}
			paths = append(paths, filepath.Join(m.WAL(), e.Name()))
		}
	}
	var out []owned
	for _, p := range paths {
		info, err := os.Stat(p)
		if err != nil {
			continue
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			out = append(out, owned{p, info, st.Uid, st.Gid})
		}
	}
	return out
}

// suspicious tells that not all belongs to one user who may use it: only then is
// it worth asking who etcd runs as.
func suspicious(paths []owned) bool {
	for _, p := range paths {
		if p.owner != paths[0].owner || !p.open(p.owner, p.group) {
			return true
		}
	}
	return false
}

// open tells whether a user may use it as etcd does.
func (p owned) open(uid, gid uint32) bool {
	rights, mode := uint32(fileRights), uint32(p.info.Mode().Perm())
	if p.info.IsDir() {
		rights = folderRights
	}
	of := func(shift int) bool { return mode>>shift&rights == rights }
	switch {
	case uid == p.owner:
		return of(6)
	case gid == p.group:
		return of(3)
	}
	return of(0) || of(3)
}

// userName is a user's name, or his number where he has none.
func userName(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return "user " + id
}
