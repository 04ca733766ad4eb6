// Package supervise finds, starts and stops a member's process on this
// machine, whether Salvor or systemd looks after it. It does not know etcd's
// protocol: a started member is one whose process lives and whose client port
// accepts.
package supervise
