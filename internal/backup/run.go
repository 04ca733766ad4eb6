package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/salvor-project/salvor/internal/bundle"
	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/config"
	"github.com/salvor-project/salvor/internal/remote"
	"github.com/salvor-project/salvor/internal/vault"
	"github.com/salvor-project/salvor/internal/vault/catalog"
)

// The parts of a backup.
const (
	SnapshotPart = "etcd.snapshot"
	BundlePart   = "bundle.tar"
)

// OtherCluster is the code of the note that a backup is of another cluster than
// the one before it under the same name: is, was.
const OtherCluster = "other-cluster"

// Job is one backup to be made.
type Job struct {
	Vault   *Vault
	Fleet   *remote.Fleet
	Version string // of this salvor
	// Fence is asked right before the backup begins to exist on a target; an
	// error makes it never exist there, and it must exist before the time that
	// is given. It may be nil.
	Fence Fence
	// Say tells what goes on; it may be nil.
	Say func(format string, args ...any)
	Now func() time.Time // nil: time.Now
}

// Fence says whether a backup may still begin to exist, and until when.
type Fence func(ctx context.Context) (until time.Time, err error)

// Done is a backup that exists.
type Done struct {
	vault.Result
	Took time.Duration
}

// Run makes one backup: it streams the snapshot of the most advanced healthy
// member into all targets in one pass, collects the bundle from all hosts, and
// holds the two against each other. What is missing is named in the manifest,
// and is no error.
func (j Job) Run(ctx context.Context) (Done, error) {
	if j.Say == nil {
		j.Say = func(string, ...any) {}
	}
	if j.Now == nil {
		j.Now = time.Now
	}
	begin := j.Now()
	hosts := make(chan []bundle.Host, 1)
	go func() { hosts <- j.collect(ctx) }()
	sources, err := choose(ctx, j.Fleet)
	collected := <-hosts
	before := j.before(ctx)
	if err != nil {
		return Done{}, err
	}
	for _, s := range sources[0].said {
		j.Say("%s", s)
	}
	var failed []error
	for _, s := range sources {
		one := attempt{Job: j, source: s, hosts: collected, before: before}
		res, err := one.run(ctx)
		if err == nil {
			return Done{res, j.Now().Sub(begin)}, nil
		}
		failed = append(failed, err)
		if ctx.Err() != nil || one.read == nil {
			break // the vault's failure: another member would not help
		}
		j.Say("%v", err)
	}
	return Done{}, errors.Join(failed...)
}

// before gives whose the newest backup of this name is.
func (j Job) before(ctx context.Context) catalog.Cluster {
	cat, err := j.Vault.List(ctx)
	if err != nil {
		j.Say("what is in the vault is not known: %v", err)
	}
	for _, e := range cat.Entries {
		if e.Manifest.Cluster.Name == j.Fleet.Config.Cluster {
			return e.Manifest.Cluster
		}
	}
	return catalog.Cluster{}
}

// strange notes that this is another cluster than before: one that was built or
// bootstrapped anew, whose backups must not pass for those of the old one.
func strange(is, was catalog.Cluster) []catalog.Note {
	if was.KubeSystemUID == "" && was.ID == "" || is.Match(was) == nil {
		return nil
	}
	return []catalog.Note{{Code: OtherCluster, Args: map[string]string{"is": is.Key(), "was": was.Key()}}}
}

// collect asks all hosts for their files; what cannot be had is a note.
func (j Job) collect(ctx context.Context) []bundle.Host {
	hosts := slices.DeleteFunc(slices.Clone(j.Fleet.Hosts()), func(h *remote.Host) bool { return worker(j.Fleet.Config, h.Name) })
	all := make([]bundle.Host, len(hosts))
	var wg sync.WaitGroup
	for i, h := range hosts {
		wg.Go(func() {
			b, err := h.Bundle(ctx, j.Fleet.Config)
			if err != nil {
				b = bundle.Host{Name: h.Name, Files: []bundle.File{}, Missing: []bundle.Note{{Code: bundle.MissingHost,
					Args: map[string]string{"host": h.Name, "why": err.Error()}}}}
			}
			all[i] = b
		})
	}
	wg.Wait()
	return all
}

// worker tells whether a host is a node of Kubernetes that runs neither a
// member nor a part of the control plane: nothing of it is in a backup.
func worker(cfg cluster.Config, host string) bool {
	n, is := cfg.Node(host)
	return is && !slices.ContainsFunc(cluster.Roles(), func(r cluster.Role) bool { return n.Component(r) != cluster.Component{} }) &&
		!slices.ContainsFunc(cfg.Members, func(m cluster.Member) bool { return m.Host == host })
}

// attempt is a backup of one source.
type attempt struct {
	Job
	source source
	hosts  []bundle.Host
	before catalog.Cluster // whose the newest backup of this name is; zero: not known
	read   error           // of reading the source
	made   remote.Made
	data   bundle.Data
	unread error // of reading data beside the snapshot
	facts  vault.Facts
}

func (a *attempt) run(ctx context.Context) (vault.Result, error) {
	s := a.source
	if !s.salvage {
		a.data, a.unread = s.host.Data(ctx, a.Fleet.Config, s.member.Name, false)
	}
	b, err := a.Vault.Begin(ctx, a.cluster(), a.retain())
	if err != nil {
		return vault.Result{}, err
	}
	a.Say("backup %s: %s", b.ID(), a.origin())
	found, err := a.snapshot(ctx, b)
	if err != nil {
		return vault.Result{}, err
	}
	if err := a.bundle(ctx, b, found); err != nil {
		return vault.Result{}, err
	}
	if a.Fence != nil {
		a.facts.Fence = func(ctx context.Context) (time.Time, error) {
			until, err := a.Fence(ctx)
			if err != nil {
				err = fmt.Errorf("backup %s is given up before it exists: %w", b.ID(), err)
			}
			return until, err
		}
	}
	return b.Commit(ctx, a.facts)
}

func (a *attempt) retain() time.Time {
	if a.Vault.Config.LockFor == 0 {
		return time.Time{}
	}
	return a.Now().Add(time.Duration(a.Vault.Config.LockFor))
}

func (a *attempt) origin() string {
	s := a.source
	where := fmt.Sprintf("member %s on host %s", s.member.Name, s.host.Name)
	switch {
	case s.log != nil:
		return fmt.Sprintf("salvaged from the db of %s and the log of member %s on host %s", where, s.log.member.Name, s.log.host.Name)
	case s.salvage:
		return "salvaged from the data dir of " + where
	case !s.quorum:
		return where + ", without a quorum"
	}
	return where
}

// cluster is whose backup it is, as far as it is known.
func (a *attempt) cluster() catalog.Cluster {
	c := catalog.Cluster{Name: a.Fleet.Config.Cluster, KubeSystemUID: a.data.KubeSystemUID}
	if id := a.source.clusterID(); id != 0 {
		c.ID = id.String()
	}
	return c
}

// snapshot streams the snapshot into the vault and gives the marks of
// encrypted values that went by.
func (a *attempt) snapshot(ctx context.Context, b *vault.Backup) ([]string, error) {
	s := a.source
	var stream remote.Source
	var err error
	if s.salvage {
		stream, err = s.salvaged(ctx, a.Fleet.Config)
	} else {
		stream, err = s.host.Snapshot(ctx, a.Fleet.Config, s.member.Name)
	}
	if err != nil {
		a.read = err
		return nil, err
	}
	defer stream.Close()
	pr, pw := io.Pipe()
	scan := bundle.NewScanner(pw)
	done := make(chan error, 1)
	go func() {
		_, err := io.CopyBuffer(struct{ io.Writer }{scan}, struct{ io.Reader }{stream}, make([]byte, 1<<20))
		_ = pw.CloseWithError(err) // nil is io.EOF
		done <- err
	}()
	_, err = b.Part(ctx, SnapshotPart, pr)
	_ = pr.CloseWithError(err) // frees the copier, if the vault failed
	readErr := <-done
	if err != nil {
		if readErr != nil && !errors.Is(err, io.ErrClosedPipe) && strings.Contains(err.Error(), readErr.Error()) {
			a.read = readErr
		}
		return nil, err
	}
	if err := stream.Result(&a.made); err != nil {
		return nil, err
	}
	if a.made.Data != nil {
		a.data = *a.made.Data
	}
	a.note(ctx)
	return scan.Found(), nil
}

// note fills in what is known after the snapshot.
func (a *attempt) note(ctx context.Context) {
	f, s := &a.facts, a.source
	f.Cluster, f.Source, f.Salvaged = a.cluster(), a.origin(), s.salvage
	f.Tools = map[string]string{"salvor": a.Version}
	if r := a.made.Salvage; r != nil {
		f.Revision, f.Highest = r.Revision, r.Revision
		if s.disk.DB.OK {
			f.Tools["etcd-storage"] = s.disk.DB.Value.StorageVersion
			f.Members = entries(s.disk.DB.Value.Members, "")
		}
		return
	}
	f.Revision, f.Highest = max(s.live.Revision, a.made.Revision), max(s.highest, a.made.Revision)
	f.Tools["etcd"] = s.live.Version
	if s.live.Members.OK {
		f.Members = entries(s.live.Members.Value, s.live.Version)
	}
	// Others may have gone further meanwhile: the highest revision tells later
	// how much this backup lacks.
	if all, err := s.host.Members(ctx, a.Fleet.Config); err == nil {
		for _, m := range all {
			if m.Live.OK && m.Live.Value.ClusterID == s.live.ClusterID {
				f.Highest = max(f.Highest, m.Live.Value.Revision)
			}
		}
	}
}

func entries(list []cluster.MemberEntry, version string) []catalog.Member {
	var all []catalog.Member
	for _, m := range list {
		all = append(all, catalog.Member{Name: m.Name, ID: m.ID.String(), Version: version})
	}
	return all
}

// bundle checks the bundle against the data and streams it into the vault.
func (a *attempt) bundle(ctx context.Context, b *vault.Backup, found []string) error {
	text, err := config.Render(a.Fleet.Config, nil)
	if err != nil {
		return err
	}
	whole := bundle.Bundle{Format: bundle.Format, Cluster: a.Fleet.Config.Cluster, Created: a.Now().UTC().Truncate(time.Second),
		Nodes: a.data.Nodes, Hosts: a.hosts, Config: text}
	notes := a.check(ctx, whole, found)
	pr, pw := io.Pipe()
	go func() { _ = pw.CloseWithError(whole.Write(pw)) }()
	_, err = b.Part(ctx, BundlePart, pr)
	_ = pr.CloseWithError(err)
	a.facts.Missing = append(strange(a.cluster(), a.before), notes...)
	return err
}

// check names what the bundle lacks. Marks of encrypted values that went by
// and are of no key that the data was seen to use may be of what was deleted:
// then, and only then, the living data is read whole.
func (a *attempt) check(ctx context.Context, b bundle.Bundle, found []string) []catalog.Note {
	used := map[string]bool{}
	for _, e := range a.data.Encrypted {
		used[e.Provider+":"+e.KeyName] = true
	}
	for _, f := range found {
		if !used[f] && !a.source.salvage && a.unread == nil {
			var all bundle.Data
			if all, a.unread = a.source.host.Data(ctx, a.Fleet.Config, a.source.member.Name, true); a.unread == nil {
				a.data = all
			}
			break
		}
	}
	var absent []string
	if a.Fleet.Config.Backup != nil {
		absent = a.Fleet.Config.Backup.Absent
	}
	notes := bundle.Absent(bundle.Check(b, a.data), absent)
	if a.unread != nil {
		notes = append(notes, bundle.Note{Code: bundle.DataUnread, Args: map[string]string{"why": a.unread.Error()}})
	}
	return toCatalog(notes)
}

func toCatalog(notes []bundle.Note) []catalog.Note {
	var all []catalog.Note
	for _, n := range notes {
		all = append(all, catalog.Note{Code: n.Code, Args: n.Args})
	}
	return all
}
