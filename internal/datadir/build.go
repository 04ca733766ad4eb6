package datadir

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/salvor-project/salvor/internal/cluster"
	"go.etcd.io/etcd/client/pkg/v3/types"
	"go.etcd.io/etcd/server/v3/etcdserver/api/membership"
)

// Build says which data dir to write.
type Build struct {
	// Image is a snapshot file with a good trailer.
	Image string `json:"image"`
	// Dir is the data dir: it must not exist, or be empty, or be the result of
	// the same Build. WALDir is the folder of the log; empty means
	// Dir/member/wal.
	Dir    string `json:"dir"`
	WALDir string `json:"walDir,omitempty"`
	// Name and PeerURLs are the member's, InitialCluster names all members as
	// etcd's flag does (name=url,name=url).
	Name           string   `json:"name"`
	PeerURLs       []string `json:"peerURLs"`
	InitialCluster string   `json:"initialCluster"`
	// Token must be new for each rebuilt cluster: with an old one the IDs of
	// the old cluster come back, and a member of it can join and do harm.
	Token string `json:"token"`
	// BumpRevision is added to the image's revision and everything below the
	// sum marked as compacted, so that watchers from before are told to start
	// anew; 0 with MarkCompacted false leaves the revisions as they are. As in
	// etcdutl, one without the other is an error.
	BumpRevision  int64 `json:"bumpRevision,omitempty"`
	MarkCompacted bool  `json:"markCompacted,omitempty"`
	// Target is the etcd to write for; empty keeps the versions that the image
	// names.
	Target Target `json:"target,omitempty"`
}

// Built is a data dir that was written.
type Built struct {
	Dir       string     `json:"dir"`
	ClusterID cluster.ID `json:"clusterID"`
	MemberID  cluster.ID `json:"memberID"`
	// Revision is the newest revision, after the bump.
	Revision int64 `json:"revision"`
	// ImageSHA256 is the digest of the image's whole file.
	ImageSHA256 string `json:"imageSHA256"`
	// Build is what was asked for.
	Build Build `json:"build"`
}

// Identity computes the IDs that etcd gives to a cluster and to the member
// called name: digests of the peer URLs and the token
// (server/etcdserver/api/membership, computeMemberID and genID).
func Identity(name, initialCluster, token string) (clusterID, memberID cluster.ID, err error) {
	urls, err := types.NewURLsMap(initialCluster)
	if err != nil {
		return 0, 0, fmt.Errorf("read initial cluster %q: %w", initialCluster, err)
	}
	group, err := membership.NewClusterFromURLsMap(quiet(), token, urls)
	if err != nil {
		return 0, 0, fmt.Errorf("compute cluster ID: %w", err)
	}
	m := group.MemberByName(name)
	if m == nil {
		return 0, 0, fmt.Errorf("compute member ID: %q is not in the initial cluster %q", name, initialCluster)
	}
	return cluster.ID(group.ID()), cluster.ID(m.ID), nil
}

// BuildMember writes a complete new data dir from an image: into
// Dir.salvor.part (or Dir/.salvor.part when Dir exists and is empty, as a mount
// point is), synced, then renamed. Alarms and a pending downgrade of the image are not
// carried over. Repeating a finished build changes nothing; what an interrupted
// one left is overwritten. Dir.salvor.json beside it describes the build. An image
// that was digested when it landed, and not touched since, is not digested again.
// Progress counts bytes. Files belong to the user who runs this.
func BuildMember(ctx context.Context, b Build, progress func(done, total int64)) (Built, error) {
	return told("build "+b.Dir, progress, func(progress func(done, total int64)) (Built, error) {
		return build(ctx, b, progress)
	})
}

func build(ctx context.Context, b Build, progress func(done, total int64)) (Built, error) {
	landed, known := LandedAt(b.Image)
	w, err := newRestorer(RestoreOptions{
		Source: b.Image, SkipHashCheck: known, Members: []RestoreMember{{Name: b.Name, Dir: b.Dir, WALDir: b.WALDir, PeerURLs: b.PeerURLs}},
		InitialCluster: b.InitialCluster, Token: b.Token,
		BumpRevision: b.BumpRevision, MarkCompacted: b.MarkCompacted, Compact: b.MarkCompacted,
		Target: b.Target,
	})
	if err != nil {
		return Built{}, err
	}
	s := stagingOf(b.Dir, b.WALDir)
	w.stages = []staging{s}
	built := Built{Dir: b.Dir, ClusterID: w.done.ClusterID, MemberID: w.done.Members[0].MemberID, Build: b}
	if _, err := os.Lstat(s.note); err == nil {
		var trailer cluster.Trailer
		if built.ImageSHA256, trailer, err = digest(ctx, b.Image); err != nil {
			return Built{}, err
		}
		if trailer != cluster.TrailerGood {
			return Built{}, errTrailer(b.Image, trailer)
		}
	}
	if done, ok, err := builtBefore(ctx, s, built); ok || err != nil {
		return done, err
	}
	if err := s.clear(); err != nil {
		return Built{}, err
	}
	if err := w.write(ctx, progress); err != nil {
		return Built{}, err
	}
	built.ImageSHA256 = w.done.SourceSHA256
	if known {
		built.ImageSHA256 = landed.Snapshot.SHA256
		if again, ok := LandedAt(b.Image); !ok || again.File != landed.File {
			return Built{}, fmt.Errorf("the image %s changed while it was read", b.Image)
		}
	}
	if built.Revision, err = finish(ctx, s, built); err != nil {
		return Built{}, err
	}
	return built, s.publish(built)
}

// staging is where a data dir is written and where it goes.
type staging struct {
	dir, wal string // wal is empty when it lies in dir
	moves    [][2]string
	note     string
}

// db is where the db is written, log the folder of the log.
func (s staging) db() string { return filepath.Join(s.dir, "member", "snap", "db") }

func (s staging) log() string {
	if s.wal != "" {
		return s.wal
	}
	return filepath.Join(s.dir, "member", "wal")
}

// stagingOf decides where a data dir is written.
func stagingOf(dir, walDir string) staging {
	dir = filepath.Clean(dir)
	s := staging{dir: dir + ".salvor.part", note: noteOf(dir)}
	move := [2]string{s.dir, dir}
	if _, err := os.Lstat(dir); err == nil {
		s.dir = filepath.Join(dir, ".salvor.part")
		move = [2]string{filepath.Join(s.dir, "member"), filepath.Join(dir, "member")}
	}
	if wal := filepath.Clean(walDir); walDir != "" && wal != filepath.Join(dir, "member", "wal") {
		s.wal = wal + ".salvor.part"
		s.moves = append(s.moves, [2]string{s.wal, wal})
	}
	s.moves = append(s.moves, move)
	return s
}

// clear removes what an interrupted build left in the staging folders, which
// are Salvor's own, and the note before them: a note says that they are whole.
func (s staging) clear() error {
	for _, left := range []string{s.note, s.dir, s.wal} {
		if left == "" {
			continue
		}
		if err := os.RemoveAll(left); err != nil {
			return err
		}
	}
	return nil
}

func noteOf(dir string) string { return filepath.Clean(dir) + ".salvor.json" }

// builtBefore looks for the result of an earlier build, and finishes the
// renames of one that was interrupted there. Anything else at the places of
// the new data dir is an error.
func builtBefore(ctx context.Context, s staging, want Built) (Built, bool, error) {
	member := filepath.Join(want.Dir, "member")
	walDir := want.Build.WALDir
	if walDir == "" {
		walDir = filepath.Join(member, "wal")
	}
	var before Built
	raw, err := os.ReadFile(s.note)
	noted := err == nil && json.Unmarshal(raw, &before) == nil && same(before, want)
	if noted {
		if err := s.rename(true); err != nil {
			return Built{}, false, err
		}
	}
	state, err := dirState(ctx, want.Dir, walDir)
	if err != nil {
		return Built{}, false, err
	}
	_, err = os.Stat(member)
	there := err == nil
	switch {
	case noted && there && state == cluster.DirData:
		l, err := readWAL(ctx, walDir, true)
		if err != nil {
			return Built{}, false, err
		}
		if c, m, err := l.ids(); err != nil || c != want.ClusterID || m != want.MemberID {
			return Built{}, false, errors.New("the data dir is not the one that its note describes: set it aside first")
		}
		return before, true, nil
	case state == cluster.DirAbsent, state == cluster.DirEmpty && !there, state == cluster.DirForeign && onlyLeftover(want.Dir):
		return Built{}, false, nil
	}
	return Built{}, false, fmt.Errorf("something is there already (%s): set it aside first", state)
}

func same(a, b Built) bool {
	x, y := a.Build, b.Build
	return a.ClusterID == b.ClusterID && a.MemberID == b.MemberID && a.ImageSHA256 == b.ImageSHA256 &&
		x.WALDir == y.WALDir && x.Name == y.Name && slices.Equal(x.PeerURLs, y.PeerURLs) &&
		x.BumpRevision == y.BumpRevision && x.Target == y.Target
}

// onlyLeftover tells whether a folder holds only what an interrupted build
// left in it.
func onlyLeftover(dir string) bool {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if e.Name() != ".salvor.part" && e.Name() != "lost+found" {
			return false
		}
	}
	return err == nil
}

// finish reads the whole result again.
func finish(ctx context.Context, s staging, want Built) (int64, error) {
	d, err := Inspect(ctx, s.dir, s.wal)
	if err != nil {
		return 0, err
	}
	if len(d.Damage) > 0 || !d.DB.OK || !d.Log.OK || d.ClusterID.Value != want.ClusterID || d.MemberID.Value != want.MemberID {
		return 0, fmt.Errorf("the data dir that was written does not hold: %+v", d.Damage)
	}
	return d.DB.Value.Revision, nil
}

// publish writes the note, renames everything into place and makes that
// durable; the data dir comes last.
func (s staging) publish(built Built) error {
	raw, err := json.MarshalIndent(built, "", "  ")
	if err != nil {
		return err
	}
	if err := writeFile(s.note, append(raw, '\n')); err != nil {
		return err
	}
	return s.rename(false)
}

// rename moves the staging folders into place. With missing true, a folder
// that has gone or that is in place already is passed over.
func (s staging) rename(missing bool) error {
	for _, m := range s.moves {
		_, from := os.Lstat(m[0])
		_, to := os.Lstat(m[1])
		if missing && (from != nil || to == nil) {
			continue
		}
		if err := os.Rename(m[0], m[1]); err != nil {
			return err
		}
		if err := syncPath(filepath.Dir(m[1])); err != nil {
			return err
		}
	}
	if filepath.Base(s.dir) == ".salvor.part" {
		if err := os.Remove(s.dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// syncTree makes every file and folder below root durable, and root's entry in
// its own folder.
func syncTree(ctx context.Context, root string) error {
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return syncPath(path)
	})
	return errors.Join(err, syncPath(filepath.Dir(root)))
}
