package supervise

import (
	"context"
	"debug/buildinfo"
	"os/exec"
	"path/filepath"
	"strconv"

	"github.com/salvor-project/salvor/internal/cluster"
)

// etcdModule is the module that every etcd since 3.5 is linked with, in etcd's
// own version.
const etcdModule = "go.etcd.io/etcd/api/v3"

// Version tells the version of the etcd that runs as the member, or that would
// be started for it, from what Go's linker wrote into the program's file;
// nothing is started. It is empty when the program cannot be found (it lies in
// a container), is no etcd itself (a script that starts one) or does not say,
// as those before 3.5.
func Version(ctx context.Context, m cluster.Member, f cluster.ProcessFacts) string {
	if f.Running {
		return builtFrom(filepath.Join("/proc", strconv.Itoa(f.PID), "exe"))
	}
	var argv []string
	switch {
	case m.Run.Process != nil:
		argv = m.Run.Process.Command
	case m.Run.Systemd != "":
		if u, err := show(ctx, m.Run.Systemd); err == nil {
			argv, _ = execArgs(u.exec)
		}
	}
	if len(argv) == 0 {
		return ""
	}
	path, err := exec.LookPath(argv[0])
	if err != nil {
		return ""
	}
	return builtFrom(path)
}

// builtFrom reads the version of etcd's modules in a program; empty when there
// are none.
func builtFrom(path string) string {
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return ""
	}
	for _, d := range info.Deps {
		if d.Path == etcdModule && cluster.Minor(d.Version) != "" {
			return d.Version[1:]
		}
	}
	return ""
}
