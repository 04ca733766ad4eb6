package datadir

import (
	"encoding/json"
	"os"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/server/v3/etcdserver"
	"go.etcd.io/etcd/server/v3/etcdserver/api/membership"
	"go.etcd.io/etcd/server/v3/etcdserver/api/snap"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/etcd/server/v3/storage/wal/walpb"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// firstTerm is the term of a restored log.
const firstTerm = uint64(1)

// writeRaftFiles writes a restored member's log, whose entries add the members,
// and the .snap file, from which etcd 3.4 and 3.5 read the members and which
// 3.6 wants and 3.7 ignores; exactly as etcdutl does (etcdutl/snapshot/
// v3_snapshot.go, saveWALAndSnap). snapDir exists, walDir does not.
func writeRaftFiles(group *membership.RaftCluster, name, snapDir, walDir string) (err error) {
	defer recoverAs(&err)
	lg := quiet()
	m := group.MemberByName(name)
	metadata, err := proto.Marshal(&etcdserverpb.Metadata{NodeID: new(uint64(m.ID)), ClusterID: new(uint64(group.ID()))})
	if err != nil {
		return err
	}
	entries, voters, err := memberEntries(group)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(walDir + ".tmp"); err != nil { // wal.Create's own leftover
		return err
	}
	w, err := wal.Create(lg, walDir, metadata)
	if err != nil {
		return err
	}
	defer w.Close()
	last := uint64(len(entries))
	hard := raftpb.HardState{Term: new(firstTerm), Vote: new(voters[0]), Commit: new(last)}
	if err := w.Save(&hard, entries); err != nil {
		return err
	}
	conf := &raftpb.ConfState{Voters: voters}
	snapshot := raftpb.Snapshot{
		Data:     etcdserver.GetMembershipInfoInV2Format(lg, group),
		Metadata: &raftpb.SnapshotMetadata{Index: new(last), Term: new(firstTerm), ConfState: conf},
	}
	if err := snap.New(lg, snapDir).SaveSnap(&snapshot); err != nil {
		return err
	}
	return w.SaveSnapshot(&walpb.Snapshot{Index: new(last), Term: new(firstTerm), ConfState: conf})
}

func memberEntries(group *membership.RaftCluster) (entries []*raftpb.Entry, voters []uint64, err error) {
	for i, id := range group.MemberIDs() {
		context, err := json.Marshal(group.Member(id))
		if err != nil {
			return nil, nil, err
		}
		change := raftpb.ConfChange{Type: raftpb.ConfChangeAddNode.Enum(), NodeId: new(uint64(id)), Context: context}
		data, err := proto.Marshal(&change)
		if err != nil {
			return nil, nil, err
		}
		voters = append(voters, uint64(id))
		entries = append(entries, &raftpb.Entry{
			Type: raftpb.EntryConfChange.Enum(), Term: new(firstTerm), Index: new(uint64(i + 1)), Data: data,
		})
	}
	return entries, voters, nil
}
