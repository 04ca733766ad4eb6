// Package datadir reads, salvages and builds etcd's files at rest: the db
// (bbolt), the write-ahead log and whole data dirs. It needs no running etcd.
//
// What only reads (Inspect, InspectSnapshot, ContentOf, ChangesSince) uses
// pread and this package's own bounds-checked reader of bbolt's format, never
// a memory map: a damaged or truncated db is then a finding, not a SIGBUS.
// What writes (Salvage, BuildMember) works on copies and uses etcd's own
// packages.
package datadir
