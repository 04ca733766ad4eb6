package supervise

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"strings"

	"github.com/salvor-project/salvor/internal/cluster"
)

// lookUp finds a user by name or number.
func lookUp(name string) (uid, gid int, err error) {
	u, err := user.Lookup(name)
	if err != nil {
		if u, err = user.LookupId(name); err != nil {
			return 0, 0, fmt.Errorf("run.process.user: this machine has no user %q", name)
		}
	}
	uid, uerr := strconv.Atoi(u.Uid)
	gid, gerr := strconv.Atoi(u.Gid)
	return uid, gid, errors.Join(uerr, gerr)
}

// as has a command run as a user, and gives that user a data dir where there is
// none: a user seldom may make one beside others'.
func as(cmd *exec.Cmd, dataDir, name string) error {
	if name == "" {
		return nil
	}
	uid, gid, err := lookUp(name)
	if err != nil || uid == os.Geteuid() {
		return err
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("run it as %s: only root can, and salvor runs as user %d", name, os.Geteuid())
	}
	become(cmd, uid, gid)
	if err := os.Mkdir(dataDir, 0o700); errors.Is(err, fs.ErrExist) {
		return nil
	} else if err != nil {
		return fmt.Errorf("make data dir: %w", err)
	}
	return os.Chown(dataDir, uid, gid)
}

// User gives the user and group that a member's systemd unit or process runs
// as; ok is false when nothing says it.
func User(ctx context.Context, m cluster.Member) (uid, gid int, ok bool) {
	if p := m.Run.Process; p != nil && p.User != "" {
		uid, gid, err := lookUp(p.User)
		return uid, gid, err == nil
	}
	if m.Run.Systemd == "" {
		return 0, 0, false
	}
	out, err := systemctlOutput(ctx, "show", "--no-pager", "--property=User,Group", unitName(m.Run.Systemd))
	if err != nil {
		return 0, 0, false
	}
	return userOf(out)
}

func userOf(out string) (uid, gid int, ok bool) {
	var name, group string
	for line := range strings.Lines(out) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch key {
		case "User":
			name = value
		case "Group":
			group = value
		}
	}
	if name == "" {
		return 0, 0, true // a unit without a user runs as root
	}
	u, err := user.Lookup(name)
	if err != nil {
		if u, err = user.LookupId(name); err != nil {
			return 0, 0, false
		}
	}
	uid, err = strconv.Atoi(u.Uid)
	gid, gerr := strconv.Atoi(u.Gid)
	if g, err := user.LookupGroup(group); group != "" && err == nil {
		gid, gerr = strconv.Atoi(g.Gid)
	}
	return uid, gid, err == nil && gerr == nil
}
