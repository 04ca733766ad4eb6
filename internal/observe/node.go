package observe

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
)

// nodeBudget bounds what is asked of the machine itself.
const nodeBudget = 6 * time.Second

// machine is where a host's own files are read: the root of its file system,
// which only tests set to something else than "/".
type machine struct {
	root string
	cfg  cluster.Config
	host string
	// asks lets API servers be asked although root is a folder: tests put the
	// files of a running one into it.
	asks bool
}

// at gives a path of the machine.
func (m machine) at(path string) string {
	if m.root == "" || m.root == "/" {
		return path
	}
	return filepath.Join(m.root, path)
}

// outside takes the root off again, for what is told.
func (m machine) outside(path string) string {
	if m.root == "" || m.root == "/" {
		return path
	}
	if rel, err := filepath.Rel(m.root, path); err == nil {
		return "/" + rel
	}
	return path
}

// real tells whether this is the running machine and not a folder of its files.
func (m machine) real() bool { return m.root == "" || m.root == "/" }

func (m machine) read(path string) ([]byte, error) {
	f, err := os.Open(m.at(path))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readLimited(f, path)
}

// node observes the machine beside its members. Whatever cannot be read is
// unknown; nothing here changes anything.
func (m machine) node(ctx context.Context) cluster.NodeFacts {
	ctx, cancel := context.WithTimeout(ctx, nodeBudget)
	defer cancel()
	var n cluster.NodeFacts
	var wg sync.WaitGroup
	wg.Go(func() { n.Clock = got(ctx, m.clock) })
	wg.Go(func() {
		n.FileSystems = inTime(ctx, []cluster.Known[cluster.FileSystem]{cluster.Unknown[cluster.FileSystem](late)}, m.fileSystems)
	})
	wg.Go(func() {
		n.Addresses, n.Quiet = m.addresses()
	})
	wg.Go(func() { n.Kernel = fact(ctx, func() cluster.Known[[]cluster.Sign] { return m.kernel(ctx) }) })
	wg.Go(func() {
		if n.Fences = got(ctx, m.fences); len(n.Fences.Value) > 0 {
			n.FencedBy = inTime(ctx, "", func() string { return m.heldBy(m.fenced(n.Fences.Value)) })
		}
	})
	wg.Go(func() { n.Pods = fact(ctx, func() cluster.Known[[]cluster.RunningPod] { return m.runningPods(ctx) }) })
	wg.Go(func() { n.Units = fact(ctx, func() cluster.Known[[]cluster.Run] { return m.units(ctx) }) })
	wg.Go(func() { n.Containers = fact(ctx, func() cluster.Known[[]cluster.Run] { return m.containers(ctx) }) })
	if m.real() {
		wg.Go(func() { n.Hardware = got(ctx, hardware) })
	}
	wg.Go(func() { n.Places = inTime(ctx, m.latePlaces(), func() []cluster.BackupPlace { return m.places(ctx) }) })
	wg.Go(func() { n.Pressure = fact(ctx, func() cluster.Known[cluster.PressureFacts] { return m.pressure(ctx) }) })
	wg.Go(func() {
		n.Kubernetes = m.kubernetes(ctx)
		var more sync.WaitGroup
		more.Go(func() {
			n.APIServers = inTime(ctx, []cluster.APIServer{{Why: late}}, func() []cluster.APIServer { return m.apiServers(ctx, n.Kubernetes) })
			// The probes have just spoken with the addresses: what the kernel knows of
			// them is of now.
			if m.real() {
				n.Neighbours = got(ctx, func() ([]cluster.Neighbour, error) { return m.neighbours(n.Kubernetes.Value) })
			}
			n.Objects = fact(ctx, func() cluster.Known[cluster.APIObjects] { return m.objects(ctx, n.Kubernetes, n.APIServers) })
		})
		more.Go(func() {
			n.Logs = inTime(ctx, []cluster.LogFacts{lateLog("other", "", podLogDir)}, func() []cluster.LogFacts { return m.logs(ctx, n.Kubernetes) })
		})
		more.Wait()
	})
	wg.Wait()
	return n
}

// machineOf tells what machine a host of the configuration is. A host that is
// a child process stands for a machine without being one (the demo, tests):
// what lies in /etc or runs here is not its own.
func machineOf(cfg cluster.Config, host string) (machine, bool) {
	h, ok := cfg.Host(host)
	return machine{cfg: cfg, host: host}, ok && h.Via != cluster.ViaChild
}
