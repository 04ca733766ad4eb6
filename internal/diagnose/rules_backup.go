package diagnose

import (
	"fmt"
	"slices"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
)

// defaultRPO is how old the newest snapshot may be where salvor.yaml promises
// nothing.
const defaultRPO = 48 * time.Hour

// promised is how old the newest backup may be.
func (v view) promised() time.Duration {
	if limit := time.Duration(v.facts.Config.Objectives.RPO); limit != 0 {
		return limit
	}
	return defaultRPO
}

// backup is one snapshot file with its host.
type backup struct {
	host string
	cluster.SnapshotFacts
}

func (v view) backups() []backup {
	var out []backup
	for _, h := range v.facts.Hosts {
		for _, s := range h.Snapshots {
			out = append(out, backup{h.Name, s})
		}
	}
	return out
}

// sound tells whether a snapshot could be restored.
func (v view) soundBackup(b backup) bool {
	return b.DB.OK && len(b.Damage) == 0 && b.Trailer == cluster.TrailerGood && v.ofThisCluster(b.DB.Value.Members)
}

func (b backup) id() string { return b.host + ":" + b.Path }

func findBackupUnusable(v view) []sighting {
	var out []sighting
	for _, b := range v.backups() {
		why := ""
		switch {
		case b.Trailer == "":
			continue // it could not be read: that is unknown, not broken
		case !b.DB.OK:
			why = b.DB.Why
		case b.Trailer == cluster.TrailerWrong:
			why = "its digest is wrong: the file is not what was saved"
		case len(b.Damage) > 0:
			why = b.Damage[0].What
		}
		if why != "" {
			out = append(out, sighting{b.id(), []any{why}, []string{fmt.Sprintf("%s: %d bytes, trailer %s: %s", b.Path, b.Size, b.Trailer, why)}})
		}
	}
	return out
}

func findBackupNoDigest(v view) []sighting {
	var out []sighting
	for _, b := range v.backups() {
		if b.DB.OK && len(b.Damage) == 0 && b.Trailer == cluster.TrailerMissing {
			out = append(out, sighting{b.id(), []any{}, []string{fmt.Sprintf("%s: %d bytes end in no digest", b.Path, b.Size)}})
		}
	}
	return out
}

func findBackupOther(v view) []sighting {
	var out []sighting
	for _, b := range v.backups() {
		if b.DB.OK && !v.ofThisCluster(b.DB.Value.Members) {
			e := b.DB.Value.Members[0]
			out = append(out, sighting{b.id(), []any{e.Name, len(b.DB.Value.Members)}, []string{fmt.Sprintf("%s lists %s (%v), whom salvor.yaml does not know", b.Path, e.Name, e.PeerURLs)}})
		}
	}
	return out
}

// findBackupNone finds that places for snapshots are named, could be read, and
// hold nothing that could be restored.
func findBackupNone(v view) []sighting {
	if len(v.facts.Config.Snapshots) == 0 {
		return nil
	}
	read := 0
	for _, h := range v.facts.Hosts {
		for _, p := range h.Node.Places {
			if !p.Files.OK {
				return nil // perhaps it lies there
			}
			read++
		}
		if !h.Reached.OK {
			for _, p := range v.facts.Config.Snapshots {
				if p.Host == h.Name {
					return nil
				}
			}
		}
	}
	if read == 0 {
		return nil
	}
	for _, b := range v.backups() {
		if v.soundBackup(b) {
			return nil
		}
	}
	return []sighting{{"snapshots", []any{read, len(v.backups())}, []string{fmt.Sprintf("%d places, %d files, none that could be restored", read, len(v.backups()))}}}
}

func findBackupStale(v view) []sighting {
	limit := v.promised()
	var newest *backup
	for _, b := range v.backups() {
		if v.soundBackup(b) && (newest == nil || b.Modified.After(newest.Modified)) {
			newest = &b
		}
	}
	if newest == nil || v.facts.At.Sub(newest.Modified) <= limit {
		return nil
	}
	age := v.facts.At.Sub(newest.Modified).Round(time.Minute)
	return []sighting{{newest.id(), []any{age, limit}, []string{fmt.Sprintf("%s was written %s ago, the limit is %s", newest.Path, age, limit)}}}
}

// shut tells a place of snapshots that could not be read: of one that is absent,
// the folder above it says nothing.
func shut(h cluster.HostFacts, path string) bool {
	return slices.ContainsFunc(h.Node.Places, func(p cluster.BackupPlace) bool { return p.Path == path && !p.Files.OK })
}

// findBackupSameDisk finds snapshots on the file system of a data dir: they
// are lost with it.
func findBackupSameDisk(v view) []sighting {
	var out []sighting
	for _, h := range v.facts.Hosts {
		devices := map[uint64]string{}
		for _, f := range h.Node.FileSystems {
			if f.OK && f.Value.Role == "etcd-data" && f.Value.Device != 0 {
				devices[f.Value.Device] = f.Value.For
			}
		}
		for _, f := range h.Node.FileSystems {
			if data, same := devices[f.Value.Device]; f.OK && f.Value.Role == "snapshots" && same && !shut(h, f.Value.For) {
				out = append(out, sighting{h.Name, []any{f.Value.For, data}, []string{fmt.Sprintf("%s and %s lie on one file system (%s)", f.Value.For, data, f.Value.Path)}})
				break
			}
		}
	}
	return out
}
