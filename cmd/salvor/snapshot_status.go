package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/salvor-project/salvor/internal/datadir"
)

func (a *app) snapshotStatusCommand() *cobra.Command {
	var format string
	c := &cobra.Command{
		Use:   "status FILE",
		Short: "Print what `etcdutl snapshot status` prints, for people's scripts",
		Long: `Status prints hash, revision, keys, size and storage version in etcdutl's own
forms. Like etcdutl it does not look at the sha256 trailer and it misses what
decodes: to know whether a file can be trusted, use salvor snapshot check.
Given a data dir, it reads the db in it and leaves the log aside.

Example:
  salvor snapshot status -w table /backup/etcd/snap.db

` + exitCodes,
		Args: args(cobra.ExactArgs(1)),
	}
	c.Flags().StringVarP(&format, "write-out", "w", "simple", "output: simple, table, json or fields")
	c.RunE = func(c *cobra.Command, list []string) error {
		if err := a.formats("text", "json"); err != nil {
			return err
		}
		if a.output == "json" && !c.Flags().Changed("write-out") {
			format = "json"
		}
		write, ok := statusFormats()[format]
		if !ok {
			return usageError{fmt.Errorf("--write-out %s is not known here: use one of simple, table, json, fields", format)}
		}
		s, err := newSubject(list[0], "")
		if err != nil {
			return err
		}
		st, err := datadir.StatusOf(c.Context(), s.db)
		if err != nil {
			return hint(err, "`salvor snapshot check %s` tells more", list[0])
		}
		return a.say("%s", write(st))
	}
	return c
}

// statusFormats are etcdutl's printers (etcdutl/etcdutl/printer*.go).
func statusFormats() map[string]func(datadir.Status) string {
	return map[string]func(datadir.Status) string{
		"simple": func(s datadir.Status) string { return strings.Join(statusRow(s), ", ") + "\n" },
		"table":  func(s datadir.Status) string { return statusTable(statusRow(s)) },
		"json": func(s datadir.Status) string {
			b, _ := json.Marshal(s) // plain numbers and strings
			return string(b) + "\n"
		},
		"fields": func(s datadir.Status) string {
			return fmt.Sprintf("\"Hash\" : %d\n\"Revision\" : %d\n\"Keys\" : %d\n\"Size\" : %d\n\"Version\" : %s\n",
				s.Hash, s.Revision, s.TotalKey, s.TotalSize, s.Version)
		},
	}
}

func statusRow(s datadir.Status) []string {
	return []string{
		fmt.Sprintf("%x", s.Hash), fmt.Sprint(s.Revision), fmt.Sprint(s.TotalKey),
		humanize.Bytes(uint64(s.TotalSize)), s.Version,
	}
}

// statusTable draws the table of etcdutl 3.7.
func statusTable(row []string) string {
	head := []string{"HASH", "REVISION", "TOTAL KEYS", "TOTAL SIZE", "VERSION"}
	lines := make([]strings.Builder, 5)
	for i := range head {
		width := max(utf8.RuneCountInString(head[i]), utf8.RuneCountInString(row[i]))
		bar := strings.Repeat("─", width+2)
		edge := [][2]string{{"┌", "┬"}, {"│", "│"}, {"├", "┼"}, {"│", "│"}, {"└", "┴"}}
		room := width - len(head[i])
		cells := []string{
			bar, " " + strings.Repeat(" ", room/2) + head[i] + strings.Repeat(" ", room-room/2) + " ",
			bar, " " + strings.Repeat(" ", width-len(row[i])) + row[i] + " ", bar,
		}
		for n := range lines {
			lines[n].WriteString(edge[n][min(i, 1)] + cells[n])
		}
	}
	end := []string{"┐", "│", "┤", "│", "┘"}
	var out strings.Builder
	for n := range lines {
		out.WriteString(lines[n].String() + end[n] + "\n")
	}
	return out.String()
}
