// Package datadir reads, salvages and builds etcd's files at rest: the db
// (bbolt), the write-ahead log and whole data dirs. It needs no running etcd.
//
// What only reads (Inspect, InspectSnapshot, ContentOf, ChangesSince) uses
// pread and this package's own bounds-checked reader of bbolt's format, never
// a memory map: a damaged or truncated db is then a finding, not a SIGBUS. A db
// that a running etcd holds is read without its lock, and what was read counts
// only if nothing was committed meanwhile.
// What writes never touches its source. Restore and BuildMember write bbolt's
// pages themselves; so does Salvage, as long as a log holds what fills logs, and
// etcd's own applier goes on behind that. Both are held against etcd's code and
// against real servers of every supported minor, in tests. Scavenge is for a db
// of which only pages are left.
package datadir
