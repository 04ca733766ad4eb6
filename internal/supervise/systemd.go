package supervise

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
)

// unitName completes a unit's name as systemctl does.
func unitName(name string) string {
	if strings.Contains(filepath.Ext(name), ".service") {
		return name
	}
	return name + ".service"
}

// systemctl runs one systemctl command without a shell.
func systemctl(ctx context.Context, args ...string) error {
	_, err := systemctlOutput(ctx, args...)
	return err
}

func systemctlOutput(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "systemctl", args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		said := strings.TrimSpace(errs.String())
		if said == "" {
			said = err.Error()
		}
		return out.String(), fmt.Errorf("systemctl %s: %s", strings.Join(args, " "), said)
	}
	return out.String(), nil
}

// unit is what systemd says of a service.
type unit struct {
	active, sub, result string
	mainPID             int
	load                string
	exec                string
	environment         string
	files               string
}

func showArgs(name string) []string {
	return []string{"show", "--no-pager",
		"--property=LoadState,ActiveState,SubState,Result,MainPID,ExecStart,Environment,EnvironmentFiles", unitName(name)}
}

func show(ctx context.Context, name string) (unit, error) {
	out, err := systemctlOutput(ctx, showArgs(name)...)
	if err != nil {
		return unit{}, err
	}
	return parseShow(out), nil
}

func parseShow(out string) unit {
	var u unit
	for line := range strings.Lines(out) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		switch key {
		case "LoadState":
			u.load = value
		case "ActiveState":
			u.active = value
		case "SubState":
			u.sub = value
		case "Result":
			u.result = value
		case "MainPID":
			u.mainPID, _ = strconv.Atoi(value)
		case "ExecStart":
			u.exec += value + "\n"
		case "Environment":
			u.environment = value
		case "EnvironmentFiles":
			u.files += value + "\n"
		}
	}
	return u
}

// startUnit starts a unit without waiting for systemd's own idea of "started":
// an etcd that notifies readiness does so only with a quorum, for which other
// members may have to be started first.
func startUnit(ctx context.Context, m cluster.Member, o Override) (cluster.ProcessFacts, error) {
	name := unitName(m.Run.Systemd)
	fail := func(err error) (cluster.ProcessFacts, error) {
		return cluster.ProcessFacts{}, fmt.Errorf("start %s: %w", m.Name, err)
	}
	if err := unfenceUnit(ctx, name); err != nil {
		return fail(err)
	}
	u, err := show(ctx, name)
	if err != nil {
		return fail(err)
	}
	if u.load != "" && u.load != "loaded" {
		return fail(fmt.Errorf("systemd says that unit %s is %s", name, u.load))
	}
	file := ""
	if o.InitialCluster != "" {
		if file, err = writeDropIn(ctx, dropInRoot, name, m.DataDir, u, o); err != nil {
			return fail(err)
		}
	}
	// A unit that failed too often refuses to start; one that did not fail
	// has nothing to reset, which is no error worth a word.
	_ = systemctl(ctx, "reset-failed", name)
	begin := time.Now()
	if err := systemctl(ctx, "start", "--no-block", name); err != nil {
		return fail(err)
	}
	facts, err := awaitUnit(ctx, m, name, begin)
	if err != nil {
		return facts, err
	}
	if o.InitialCluster != "" {
		if err := removeDropIn(ctx, dropInRoot, name); err != nil {
			return fail(err)
		}
	}
	return facts, endOverride(file)
}

func awaitUnit(ctx context.Context, m cluster.Member, name string, begin time.Time) (cluster.ProcessFacts, error) {
	for {
		u, err := show(ctx, name)
		if err != nil {
			return cluster.ProcessFacts{}, fmt.Errorf("start %s: %w", m.Name, err)
		}
		if u.active == "failed" || u.sub == "auto-restart" || (u.active == "inactive" && time.Since(begin) > startSettle) {
			return cluster.ProcessFacts{Unit: u.active}, fmt.Errorf("start %s: unit %s is %s (%s, %s): %s",
				m.Name, name, u.active, u.sub, u.result, lastWords(journal(ctx, name, begin)))
		}
		facts, err := find(m)
		if err != nil {
			return facts, err
		}
		facts.Unit = u.active
		if facts.Running && time.Since(begin) > startSettle && Accepts(ctx, m) {
			return facts, nil
		}
		if err := sleep(ctx, 4*look); err != nil {
			return facts, fmt.Errorf("start %s: %w", m.Name, context.Cause(ctx))
		}
	}
}

// stopUnit stops a unit; what has not ended after grace is killed, without
// waiting for the unit's own time-out (90 s, or infinity).
func stopUnit(ctx context.Context, name string, grace time.Duration) error {
	if err := systemctl(ctx, "stop", "--no-block", name); err != nil {
		return err
	}
	killed := false
	for begin := time.Now(); ; {
		u, err := show(ctx, name)
		if err != nil {
			return err
		}
		switch waited := time.Since(begin); {
		case u.mainPID == 0 && (u.active == "inactive" || u.active == "failed"):
			return nil
		case waited > grace && !killed:
			// It may have ended by itself just now; the next look tells.
			_ = systemctl(ctx, "kill", "--signal=SIGKILL", name)
			killed = true
		case waited > grace+killLimit:
			return fmt.Errorf("unit %s is still %s (%s) %s after SIGKILL: it hangs in the kernel, probably on a disk; only a restart of the machine helps",
				name, u.active, u.sub, killLimit)
		}
		if err := sleep(ctx, 2*look); err != nil {
			return err
		}
	}
}

func journalArgs(name string, since time.Time) []string {
	return []string{"--no-pager", "--output=cat", "--lines=200", "--since=@" + strconv.FormatInt(since.Unix(), 10), "--unit=" + name}
}

// journal reads what the unit has said since a time; "" when it cannot.
func journal(ctx context.Context, name string, since time.Time) string {
	out, err := exec.CommandContext(ctx, "journalctl", journalArgs(name, since)...).Output()
	if err != nil {
		return ""
	}
	return string(out)
}

const (
	// dropInRoot is gone after a restart of the machine, as an override for
	// one start has to be.
	dropInRoot = "/run/systemd/system"
	dropInConf = "90-salvor.conf"
	dropInEnv  = "90-salvor.env"
)

// dropIn gives the content of the two files that override a unit for one
// start. The environment file comes last and therefore wins over the unit's
// own; where ExecStart itself holds the flags, which win over the environment,
// ExecStart is written anew.
func dropIn(dir, dataDir string, u unit, o Override) (conf, env, file string, err error) {
	argv, err := execArgs(u.exec)
	if err != nil {
		return "", "", "", err
	}
	config := ""
	for _, e := range strings.Fields(u.environment) {
		if v, ok := strings.CutPrefix(e, "ETCD_CONFIG_FILE="); ok {
			config = v
		}
	}
	args, file, err := o.command(argv, config, "/", dataDir)
	if err != nil {
		return "", "", "", err
	}
	env = "ETCD_INITIAL_CLUSTER=" + o.InitialCluster + "\nETCD_INITIAL_CLUSTER_STATE=existing\n"
	conf = "[Service]\nEnvironmentFile=" + filepath.Join(dir, dropInEnv) + "\n"
	if _, had := withoutFlags(argv); had || file != "" {
		var line []string
		for _, a := range args {
			line = append(line, quoteUnit(a))
		}
		conf += "ExecStart=\nExecStart=" + strings.Join(line, " ") + "\n"
	}
	return conf, env, file, nil
}

// execArgs takes argv from the ExecStart property of "systemctl show":
// { path=/usr/bin/etcd ; argv[]=/usr/bin/etcd --name a ; ignore_errors=no ; … }.
// systemctl joins the arguments with blanks and does not quote them; etcd's
// flags hold none.
func execArgs(property string) ([]string, error) {
	_, after, ok := strings.Cut(property, "argv[]=")
	if !ok {
		return nil, errors.New("systemd does not say how the unit starts etcd")
	}
	if strings.Contains(after, "argv[]=") {
		return nil, errors.New("the unit has more than one ExecStart")
	}
	line, _, ok := strings.Cut(after, " ; ")
	if !ok {
		return nil, fmt.Errorf("systemd describes the unit's command in a form that is not understood: %.200q", property)
	}
	return strings.Fields(line), nil
}

// quoteUnit writes one argument for ExecStart (systemd.service(5), "command
// lines"). Specifiers were resolved when it was read, so that a percent sign
// is one; $NAME was not and stays.
func quoteUnit(arg string) string {
	r := strings.NewReplacer(`\`, `\\`, `"`, `\"`, `%`, `%%`)
	return `"` + r.Replace(arg) + `"`
}

func writeDropIn(ctx context.Context, root, name, dataDir string, u unit, o Override) (string, error) {
	dir := filepath.Join(root, name+".d")
	conf, env, config, err := dropIn(dir, dataDir, u, o)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("override unit: %w", err)
	}
	for file, content := range map[string]string{dropInEnv: env, dropInConf: conf} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o644); err != nil {
			return "", fmt.Errorf("override unit: %w", err)
		}
	}
	return config, systemctl(ctx, "daemon-reload")
}

// removeDropIn removes what writeDropIn wrote, and the folder if nothing else
// is in it.
func removeDropIn(ctx context.Context, root, name string) error {
	dir := filepath.Join(root, name+".d")
	for _, file := range []string{dropInConf, dropInEnv} {
		if err := os.Remove(filepath.Join(dir, file)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("end override of unit: %w", err)
		}
	}
	_ = os.Remove(dir) // fails when others use it
	return systemctl(ctx, "daemon-reload")
}
