package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/salvor-project/salvor/internal/putback"
)

// showPutBack shows the difference, and tells whether there is anything to do.
func (a *app) showPutBack(lines []*putBackLine, replace []string) (changes bool, err error) {
	for _, l := range lines {
		if l.Why != "" {
			continue // said in the end
		}
		changes = changes || l.changes(replace)
		count := map[putback.Standing]int{}
		for _, s := range l.Files {
			count[s.Standing]++
		}
		if err := a.tell("%s (%s): %d missing, %d as in the backup, %d differ\n", l.Host, l.Hostname, count[putback.Missing], count[putback.Same], count[putback.Differs]); err != nil {
			return false, err
		}
		if count[putback.Missing] > 0 {
			if err := a.tell("  write    %s\n", folders(l.Files)); err != nil {
				return false, err
			}
		}
		for _, s := range l.Files {
			if s.Standing != putback.Differs {
				continue
			}
			word := "stays  "
			if putback.Covered(s.Path, replace) {
				word = "REPLACE"
			}
			if err := a.tell("  %s  %s: %s\n", word, s.Path, s.Why); err != nil {
				return false, err
			}
		}
		if l.changes(replace) && l.Kubelet != "" && l.Kubelet != "inactive" && l.Kubelet != "failed" {
			if err := a.tell("  STOP     the kubelet, which is %s\n", l.Kubelet); err != nil {
				return false, err
			}
		}
	}
	return changes, nil
}

// folders counts missing files by the first two parts of their paths.
func folders(files []putback.State) string {
	var names []string
	n := map[string]int{}
	for _, s := range files {
		if s.Standing != putback.Missing {
			continue
		}
		parts := strings.SplitN(s.Path, "/", 4)
		name := s.Path
		if len(parts) == 4 {
			name = strings.Join(parts[:3], "/") + "/"
		}
		if n[name]++; n[name] == 1 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for i, name := range names {
		if n[name] > 1 || strings.HasSuffix(name, "/") {
			names[i] = fmt.Sprintf("%s (%d)", name, n[name])
		}
	}
	return strings.Join(names, ", ")
}

// sayPutBack says how it went and what comes next.
func (a *app) sayPutBack(lines []*putBackLine, written string, dry bool) error {
	stays, done := false, 0
	for _, l := range lines {
		if l.Why != "" {
			if err := a.say("NOT DONE  %s: %s\n", l.Host, l.Why); err != nil {
				return err
			}
			continue
		}
		wrote, replaced, aside := 0, 0, ""
		for _, s := range l.Files {
			switch s.Standing {
			case putback.Written:
				wrote++
			case putback.Replaced:
				replaced++
				aside = strings.TrimSuffix(s.Aside, s.Path)
			case putback.Differs:
				stays = true
			}
		}
		if dry {
			continue
		}
		done++
		if err := a.say("%s: %d written, %d replaced\n", l.Host, wrote, replaced); err != nil {
			return err
		}
		if aside != "" {
			if err := a.say("  what was there lies in %s\n", aside); err != nil {
				return err
			}
		}
	}
	if stays {
		if err := a.say("What differs stays; --replace PATH takes the backup's and sets the machine's own aside.\n"); err != nil {
			return err
		}
	}
	if dry {
		return a.say("nothing was changed\n")
	}
	if written != "" {
		if err := a.say("%s was written, as it was in the backup: look through it.\n", written); err != nil {
			return err
		}
	}
	if done == 0 {
		return nil
	}
	return a.say("Next: `salvor recover` with the same --target and --identity. Then, on machines that were installed anew, " +
		"`systemctl enable` the kubelet, and etcd where it is a unit.\n")
}
