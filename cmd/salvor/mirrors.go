package main

import (
	"github.com/spf13/cobra"

	"github.com/salvor-project/salvor/internal/remote"
)

// mirrors lists the cases that a host keeps; a host that cannot be asked says
// so in its line.
func mirrors(c *cobra.Command, h *remote.Host) []caseLine {
	client, err := h.Client(c.Context())
	if err != nil {
		return []caseLine{{Name: "?", Where: h.Name, State: err.Error()}}
	}
	all, err := client.ListCases(c.Context())
	if err != nil {
		return []caseLine{{Name: "?", Where: h.Name, State: err.Error()}}
	}
	var out []caseLine
	for _, i := range all {
		out = append(out, caseLine{Name: i.Case, Where: "mirror on " + h.Name, State: "mirror"})
	}
	return out
}
