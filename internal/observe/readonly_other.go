//go:build unix && !linux

package observe

import "syscall"

// readOnly is not told by statfs in one way on all systems; a write will tell.
func readOnly(syscall.Statfs_t) bool { return false }

func refusesSync(string) bool { return false }
