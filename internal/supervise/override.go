package supervise

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/salvor-project/salvor/internal/cluster"
)

// Override replaces the member's own flags for one start. etcd reads them only
// while it has no data.
type Override struct {
	// InitialCluster is etcd's name=peerURL list; the cluster's state is
	// "existing". Empty overrides nothing.
	InitialCluster string
	// Case is the case for which a static pod's manifest is rewritten: the one
	// from before is kept under its name.
	Case string
	// Original is a case whose rewriting of a static pod's manifest is taken back.
	Original string
}

// process gives a member's command for this one start. File is "" or a
// configuration file that was written for it.
func (o Override) process(m cluster.Member) (p cluster.Process, file string, err error) {
	p = *m.Run.Process
	if o.InitialCluster == "" {
		return p, "", nil
	}
	config := ""
	var env []string
	for _, e := range p.Env {
		switch name, value, _ := strings.Cut(e, "="); name {
		case "ETCD_INITIAL_CLUSTER", "ETCD_INITIAL_CLUSTER_STATE":
			continue
		case "ETCD_CONFIG_FILE":
			config = value
		}
		env = append(env, e)
	}
	p.Env = env
	p.Command, file, err = o.command(p.Command, config, p.Dir, m.DataDir)
	return p, file, err
}

// command rewrites a command line. etcd itself ignores flags beside a
// configuration file (embed.ConfigFromFile), so that this file is what has to
// change; other programs that run an etcd take flags beside it.
func (o Override) command(command []string, config, dir, dataDir string) (args []string, file string, err error) {
	args, _ = withoutFlags(command)
	if v, ok := flagValue(args[1:], "config-file"); ok {
		config = v
	}
	if config == "" || filepath.Base(args[0]) != "etcd" {
		return append(args, "--initial-cluster", o.InitialCluster, "--initial-cluster-state", "existing"), "", nil
	}
	if !filepath.IsAbs(config) {
		config = filepath.Join(dir, config)
	}
	file = filepath.Join(filepath.Dir(dataDir), "."+filepath.Base(dataDir)+".salvor-join.yaml")
	if err := o.writeConfig(config, file); err != nil {
		return nil, "", err
	}
	// The last one wins.
	return append(args, "--config-file", file), file, nil
}

func (o Override) writeConfig(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return fmt.Errorf("read etcd's configuration file: %w", err)
	}
	conf := map[string]any{}
	if err := yaml.Unmarshal(b, &conf); err != nil {
		return fmt.Errorf("read etcd's configuration file %s: %w", from, err)
	}
	conf["initial-cluster"] = o.InitialCluster
	conf["initial-cluster-state"] = "existing"
	if b, err = yaml.Marshal(conf); err != nil {
		return fmt.Errorf("write etcd's configuration for one start: %w", err)
	}
	// It names files and addresses but holds no secret; a unit's own user has
	// to read it.
	if err := os.WriteFile(to, b, 0o644); err != nil {
		return fmt.Errorf("write etcd's configuration for one start: %w", err)
	}
	return nil
}

// withoutFlags drops --initial-cluster and --initial-cluster-state in every
// form, and tells whether there were any.
func withoutFlags(command []string) (out []string, had bool) {
	for i := 0; i < len(command); i++ {
		a := command[i]
		name, _, inline := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(a, "-"), "-"), "=")
		if i == 0 || !strings.HasPrefix(a, "-") || (name != "initial-cluster" && name != "initial-cluster-state") {
			out = append(out, a)
			continue
		}
		had = true
		if !inline {
			i++
		}
	}
	return out, had
}
