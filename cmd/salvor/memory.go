package main

import (
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// garbageFrom is how much memory may be in use before Go's collector works
// harder, in bytes. It is no bound: what is needed is still taken.
const garbageFrom = 192 << 20

// thrifty keeps a command's garbage small that reads or writes whole dbs beside
// a control plane: `salvor snapshot` and the side that works on a machine.
// GOMEMLIMIT overrules it.
func thrifty(c *cobra.Command) {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	for ; c != nil; c = c.Parent() {
		if c.Name() == "snapshot" || c.Name() == "host" {
			debug.SetMemoryLimit(garbageFrom)
		}
	}
}
