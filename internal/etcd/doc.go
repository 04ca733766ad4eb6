// Package etcd speaks with live etcd members over their client port. A Client
// is one member: whatever it answers is that member's view, never a mixture of
// several. The etcd client library stops at this package.
package etcd
