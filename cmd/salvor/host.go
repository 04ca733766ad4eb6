package main

import (
	"github.com/spf13/cobra"

	"github.com/salvor-project/salvor/internal/demo"
)

// hostCommand is the side that runs on machines; the coordinator starts it.
func (a *app) hostCommand() *cobra.Command {
	return &cobra.Command{
		Use: "host", Hidden: true, DisableFlagParsing: true,
		Short: "Answer a coordinator on standard streams",
		RunE: func(c *cobra.Command, list []string) error {
			return a.hostSide().Main(c.Context(), append([]string{"host"}, list...))
		},
	}
}

// demoMemberCommand is one etcd member of the demo.
func (a *app) demoMemberCommand() *cobra.Command {
	return &cobra.Command{
		Use: "demo-member", Hidden: true, DisableFlagParsing: true,
		Short: "Run one etcd member of the demo",
		RunE: func(c *cobra.Command, list []string) error {
			return demo.RunMember(c.Context(), list)
		},
	}
}
