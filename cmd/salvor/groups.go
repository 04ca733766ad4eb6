package main

import "github.com/spf13/cobra"

// group files the commands under what somebody looks for in the list: the
// disaster first.
func group(root *cobra.Command) {
	of := map[string]string{}
	for _, g := range []struct {
		id, title string
		commands  []string
	}{
		{"disaster", "In a disaster:", []string{"diagnose", "explain", "recover", "resume", "rollback", "plan", "apply", "verify", "report", "cleanup", "cases", "evidence"}},
		{"before", "Before the next one:", []string{"init", "known-hosts", "backup", "vault", "agent", "guard"}},
		{"files", "etcd's files, and everything else:", []string{"snapshot", "demo", "version", "completion", "help"}},
	} {
		root.AddGroup(&cobra.Group{ID: g.id, Title: g.title})
		for _, c := range g.commands {
			of[c] = g.id
		}
	}
	for _, c := range root.Commands() {
		c.GroupID = of[c.Name()]
	}
	root.SetHelpCommandGroupID(of["help"])
	root.SetCompletionCommandGroupID(of["completion"])
}
