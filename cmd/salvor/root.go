package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/config"
	"github.com/salvor-project/salvor/internal/host"
	"github.com/salvor-project/salvor/internal/observe"
	"github.com/salvor-project/salvor/internal/plan"
	"github.com/salvor-project/salvor/internal/remote"
	"github.com/salvor-project/salvor/internal/report"
	"github.com/salvor-project/salvor/internal/run"
	"github.com/salvor-project/salvor/internal/say"
)

// app is one invocation: its streams and the flags that all commands share.
type app struct {
	in       io.Reader
	out, err io.Writer
	version  string

	configPath string
	cases      string
	lang       string
	output     string
	noColour   bool

	reach reach

	// budget is how long a look may take; 0 is the default.
	budget time.Duration
	// hashes tells for a look whether members are asked for hashes.
	hashes observe.Hashes
	// locked tells that this command holds the locks of all hosts.
	locked bool
	// at is handed to run; only tests set it.
	at func(run.Point, plan.StepID)
	// turnTTL is how long an agent that stands still keeps its turn; 0 is the
	// default; only tests set it.
	turnTTL time.Duration
	// childEnv is given to child processes; only tests set it.
	childEnv []string
}

// execute runs one command line and gives its exit code.
func execute(ctx context.Context, a *app, args []string) int {
	root := a.root()
	root.SetArgs(args)
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	err := root.ExecuteContext(ctx)
	if err != nil && strings.HasPrefix(err.Error(), "unknown command") {
		err = hint(usageError{err}, "try `salvor --help`")
	}
	code := exitCode(err)
	if err != nil {
		a.complain(err, code)
	}
	return code
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "salvor",
		Short: "Bring a wrecked Kubernetes control plane home",
		Long: `Salvor tells what broke in an etcd cluster, says what every way back would
lose, repairs it on all machines at once, proves that it is repaired, and
writes the report. It needs no API server and no second tool.

At three in the morning:   salvor diagnose   and then   salvor recover

` + exitCodes,
		SilenceUsage: true, SilenceErrors: true, Version: a.version,
	}
	f := root.PersistentFlags()
	f.StringVarP(&a.configPath, "config", "c", "", "configuration file (default: $SALVOR_CONFIG, ./salvor.yaml, /etc/salvor/salvor.yaml)")
	f.StringVar(&a.cases, "cases", defaultCases(), "folder in which case folders are kept")
	f.StringVar(&a.lang, "lang", "en", "language of findings and reports: en or zh")
	f.StringVarP(&a.output, "output", "o", "text", "output: text or json (some commands know more)")
	f.BoolVar(&a.noColour, "no-color", false, "never use colour (also: NO_COLOR=1)")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.PersistentPreRunE = func(c *cobra.Command, _ []string) error {
		thrifty(c)
		if _, err := say.ParseLanguage(a.lang); err != nil {
			return usageError{err}
		}
		return nil
	}
	for _, c := range []*cobra.Command{
		a.initCommand(), a.diagnoseCommand(), a.explainCommand(), a.planCommand(), a.recoverCommand(), a.applyCommand(), a.resumeCommand(),
		a.rollbackCommand(), a.cleanupCommand(), a.verifyCommand(), a.reportCommand(), a.evidenceCommand(), a.casesCommand(),
		a.knownHostsCommand(), a.backupCommand(), a.vaultCommand(), a.agentCommand(), a.guardCommand(),
		a.snapshotCommand(), a.demoCommand(), a.versionCommand(), a.hostCommand(), a.demoMemberCommand(),
	} {
		root.AddCommand(c)
	}
	group(root)
	return root
}

// args makes cobra's argument errors usage errors.
func args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, list []string) error {
		if err := check(c, list); err != nil {
			return hint(usageError{err}, "try `%s --help`", c.CommandPath())
		}
		return nil
	}
}

// formats refuses an output that a command does not know.
func (a *app) formats(known ...string) error {
	for _, k := range known {
		if a.output == k {
			return nil
		}
	}
	return usageError{errors.New("output " + a.output + " is not known here: use one of " + strings.Join(known, ", "))}
}

// defaultCases is the operator's own state folder.
func defaultCases() string {
	if d := os.Getenv("SALVOR_CASES"); d != "" {
		return d
	}
	if d := os.Getenv("XDG_STATE_HOME"); d != "" {
		return filepath.Join(d, "salvor", "cases")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return filepath.Join(os.TempDir(), "salvor", "cases")
	}
	return filepath.Join(home, ".local", "state", "salvor", "cases")
}

// load reads the configuration that the flags point to.
func (a *app) load() (cluster.Config, error) {
	path := a.configPath
	if path == "" {
		found, err := config.Find()
		if err != nil {
			return cluster.Config{}, hint(err, "`salvor init` finds the etcd members of this machine and writes salvor.yaml; --config names one that lies elsewhere")
		}
		path = found
	}
	cfg, err := config.Load(path)
	if errors.Is(err, fs.ErrPermission) {
		err = hint(err, "run salvor as root, or as who may read it")
	}
	return cfg, err
}

// fleet prepares the machines of a configuration.
func (a *app) fleet(cfg cluster.Config) (*remote.Fleet, error) {
	return remote.NewFleet(cfg, a.build(), a.transport)
}

// transport gives the way to a machine.
func (a *app) transport(h cluster.Host) (host.Transport, error) {
	switch h.Via {
	case cluster.ViaLocal:
		return host.Local{Run: a.hostSide().Run, Name: h.Name}, nil
	case cluster.ViaChild:
		return host.Child{Name: h.Name, Env: a.childEnv}, nil
	case cluster.ViaSSH:
		return a.overSSH(h)
	}
	return nil, hint(errors.New("the transport "+string(h.Via)+" is not known"), "use ssh, local or child")
}

// hostSide is the half of salvor that answers on a machine.
func (a *app) hostSide() host.Command {
	return host.Command{Version: a.build(), Springs: remote.Springs(),
		Methods: func(string) host.Methods { return remote.Methods(a.build()) }}
}

// build names this build exactly, so that two sides can tell whether they are
// the same.
func (a *app) build() string {
	if info, ok := debug.ReadBuildInfo(); ok && a.version == "dev" {
		return a.version + "+" + info.Main.Version
	}
	return a.version
}

// onTerminal tells whether somebody reads the output as it is written.
func (a *app) onTerminal() bool {
	f, ok := a.out.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// style is how text is written for this terminal and language.
func (a *app) style() report.Options {
	width := 100
	colour := false
	if f, ok := a.out.(*os.File); ok && a.onTerminal() {
		colour = !a.noColour && os.Getenv("NO_COLOR") == ""
		if w, _, err := term.GetSize(int(f.Fd())); err == nil {
			width = w
		}
	}
	return report.Options{Lang: say.Language(a.lang), Colour: colour, Width: width}
}
