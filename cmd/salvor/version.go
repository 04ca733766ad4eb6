package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/salvor-project/salvor/internal/report"
)

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  args(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			if a.output == "json" {
				return report.JSON(a.out, "Version", map[string]string{"version": a.build(), "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH})
			}
			_, err := fmt.Fprintf(a.out, "salvor %s (%s, %s/%s)\n", a.build(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}
