package datadir

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.etcd.io/etcd/api/v3/authpb"
	"go.etcd.io/etcd/server/v3/lease/leasepb"
	"go.etcd.io/etcd/server/v3/storage/schema"
	"google.golang.org/protobuf/proto"
)

// consistent holds leases against the keys that are bound to them, and users
// against their roles.
func consistent(ctx context.Context, p *pageFile, all map[string]bucket, h *histories) ([]*defect, error) {
	var list []*defect
	p.report = func(d *defect) { list = append(list, d) }
	defer func() { p.report = nil }()
	err := eachOf(ctx, p, all, schema.Lease.Name(), func(at place, key, value []byte) error {
		id, ok := leaseID(key)
		var l leasepb.Lease
		switch {
		case !ok:
			return &defect{p.offset(at), fmt.Sprintf("%x is the ID of no lease", key)}
		case proto.Unmarshal(value, &l) != nil:
			return &defect{p.offset(at), fmt.Sprintf("lease %x cannot be decoded", id)}
		case l.GetID() != id || l.GetTTL() <= 0:
			return &defect{p.offset(at), fmt.Sprintf("lease %x contradicts its place (ID %x, %d s)", id, l.GetID(), l.GetTTL())}
		}
		return nil
	})
	if err != nil {
		return list, err
	}
	if h.orphans > 0 {
		list = append(list, &defect{-1, fmt.Sprintf("%d live keys are bound to leases that do not exist: they would never expire", h.orphans)})
	}
	more, err := authConsistent(ctx, p, all)
	return append(list, more...), err
}

func eachOf(ctx context.Context, p *pageFile, all map[string]bucket, name []byte, visit visitor) error {
	b, ok := all[string(name)]
	if !ok {
		return nil
	}
	return p.each(ctx, b, visit)
}

// authConsistent reads users and roles as the auth store does (server/storage/
// schema/auth.go).
func authConsistent(ctx context.Context, p *pageFile, all map[string]bucket) ([]*defect, error) {
	var list []*defect
	roles, users := map[string]bool{}, map[string]*authpb.User{}
	err := eachOf(ctx, p, all, schema.AuthRoles.Name(), func(at place, key, value []byte) error {
		var r authpb.Role
		if proto.Unmarshal(value, &r) != nil || string(r.GetName()) != string(key) {
			return &defect{p.offset(at), fmt.Sprintf("the role %q cannot be decoded", key)}
		}
		roles[string(key)] = true
		return nil
	})
	err = errors.Join(err, eachOf(ctx, p, all, schema.AuthUsers.Name(), func(at place, key, value []byte) error {
		u := &authpb.User{}
		if proto.Unmarshal(value, u) != nil || string(u.GetName()) != string(key) {
			return &defect{p.offset(at), fmt.Sprintf("the user %q cannot be decoded", key)}
		}
		users[string(key)] = u
		return nil
	}))
	if err != nil {
		return nil, err
	}
	for name, u := range users {
		for _, r := range u.GetRoles() {
			if !roles[r] && r != "root" { // etcd makes "root" without asking for it
				list = append(list, &defect{-1, fmt.Sprintf("the user %q has the role %q, which does not exist", name, r)})
			}
		}
	}
	flags, err := values(ctx, p, all, schema.Auth.Name())
	if enabled := flags[string(schema.AuthEnabledKeyName)]; len(enabled) == 1 && enabled[0] == 1 {
		if root := users["root"]; root == nil || !slices.Contains(root.GetRoles(), "root") {
			list = append(list, &defect{-1, "auth is enabled but there is no user root with the role root: nobody could administer it"})
		}
	}
	return list, err
}
