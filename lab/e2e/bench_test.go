package e2e

import (
	"bytes"
	"context"
	"encoding/json"

	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/salvor-project/salvor/lab/build"
	"github.com/salvor-project/salvor/lab/machine"
	"github.com/salvor-project/salvor/lab/state"
)

// bench is a lab under test with the salvor that is to recover it.
type bench struct {
	*testing.T
	ctx context.Context
	// dir is the operator's folder: configuration, cases, what salvor said.
	dir    string
	layout string
	lab    *state.Lab
	ledger *ledger
	// kill, when set, ends the coordinator at a moment.
	runs int
}

// TestMain makes the folder of the programs, and removes it.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "salvor-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := 1
	if err := os.Setenv("SALVOR_E2E_PROGRAMS", dir); err == nil {
		code = m.Run()
	}
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// programs are built once for all tests.
var programs = sync.OnceValues(func() (string, error) {
	dir := os.Getenv("SALVOR_E2E_PROGRAMS")
	for name, pkg := range map[string]string{"salvor": "./cmd/salvor", "lab": "./lab"} {
		cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", filepath.Join(dir, name), pkg)
		cmd.Dir, cmd.Env = "../..", append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("build %s: %w\n%s", name, err, out)
		}
	}
	return dir, nil
})

// newBench puts a whole lab up, unless one stands, with a workload and a
// writer that keeps a ledger of what the API has acknowledged.
func newBench(t *testing.T) *bench {
	t.Helper()
	b := standing(t)
	b.workload()
	b.ledger = newLedger(b)
	return b
}

// standing puts a whole lab up, unless one stands.
func standing(t *testing.T) *bench {
	t.Helper()
	if os.Getenv("SALVOR_LAB") != "1" || build.Privileged() != nil {
		t.Skip("set SALVOR_LAB=1 and be root on Linux: this puts real machines up")
	}
	b := &bench{T: t, ctx: t.Context(), dir: t.TempDir(), layout: "kubeadm"}
	if l := os.Getenv("SALVOR_LAB_LAYOUT"); l != "" {
		b.layout = l
	}
	b.run("lab", "up", "--reuse", "--layout", b.layout)
	var err error
	if b.lab, err = state.Load(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			b.keep()
		}
	})
	b.nodesReady(2 * time.Minute)
	return b
}

// keep saves what salvor did, for a person to look at.
func (b *bench) keep() {
	to := filepath.Join(os.TempDir(), "salvor-e2e-failed-"+strings.ReplaceAll(b.Name(), "/", "-"))
	_ = os.RemoveAll(to)
	if err := os.CopyFS(to, os.DirFS(b.dir)); err == nil {
		b.Logf("what salvor did is kept in %s", to)
	}
}

// run runs one of the programs and demands success.
func (b *bench) run(name string, args ...string) string {
	b.Helper()
	out, said, err := b.try(name, args...)
	if err != nil {
		b.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out, said)
	}
	return out
}

func (b *bench) command(name string, args ...string) (*exec.Cmd, *bytes.Buffer, *bytes.Buffer) {
	b.Helper()
	dir, err := programs()
	if err != nil {
		b.Fatal(err)
	}
	var out, said bytes.Buffer
	cmd := exec.Command(filepath.Join(dir, name), args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = b.dir, &out, &said
	cmd.Env = os.Environ()
	if name == "lab" {
		cmd.Dir = "../.." // it looks for its modules
	} else {
		cmd.Env = append(cmd.Env, "HOME="+b.dir, "SSH_AUTH_SOCK=", "SALVOR_CONFIG=")
	}
	return cmd, &out, &said
}

func (b *bench) try(name string, args ...string) (stdout, stderr string, err error) {
	b.Helper()
	cmd, out, said := b.command(name, args...)
	err = cmd.Run()
	if name == "salvor" {
		b.runs++
		_ = os.WriteFile(filepath.Join(b.dir, fmt.Sprintf("%02d-%s.log", b.runs, args[0])),
			[]byte(strings.Join(args, " ")+"\n"+out.String()+said.String()), 0o600)
	}
	return out.String(), said.String(), err
}

// breaks applies a fault to machines.
func (b *bench) breaks(fault string, args ...string) {
	b.Helper()
	b.run("lab", append([]string{"break", fault}, args...)...)
}

// on runs a shell line on a machine, as the lab and not by ssh.
func (b *bench) on(host, line string) (string, error) {
	b.Helper()
	m, err := b.lab.Find(host)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(b.ctx, 30*time.Second)
	defer cancel()
	out, err := machine.Exec(ctx, m, "bash", "-c", line)
	return strings.TrimSpace(out), err
}

// planes are the names of the control planes.
func (b *bench) planes() []string {
	var out []string
	for _, m := range b.lab.ControlPlanes() {
		out = append(out, m.Name)
	}
	return out
}

// members are the names of their etcd members.
func (b *bench) members() []string {
	if b.layout != "external" {
		return b.planes()
	}
	var out []string
	for _, m := range b.lab.ControlPlanes() {
		out = append(out, fmt.Sprintf("etcd%d", m.Index))
	}
	return out
}

// until waits for a condition; the last reason why not is the failure.
func (b *bench) until(limit time.Duration, what string, ok func() error) {
	b.Helper()
	var err error
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(300 * time.Millisecond) {
		if err = ok(); err == nil {
			return
		}
	}
	b.Fatalf("%s: not in %s: %v", what, limit, err)
}

// init writes salvor.yaml as the operator would: in the middle of the wreck,
// from all machines, or from those that are named.
func (b *bench) init(machines ...string) {
	b.Helper()
	ssh := filepath.Join(state.Dir(), "ssh")
	args := []string{"init", "--force", "--identity", filepath.Join(ssh, "id_ed25519"), "--known-hosts", filepath.Join(ssh, "known_hosts")}
	for _, m := range b.lab.Machines {
		args = append(args, "--host", "root@"+m.Addr)
	}
	for _, f := range machines {
		args = append(args, "--snapshots", f)
	}
	begin := time.Now()
	b.run("salvor", args...)
	b.Logf("init: %.1f s", time.Since(begin).Seconds())
}

// diagnosis is the part of a diagnosis that a test wants.
type diagnosis struct {
	Scenario string              `json:"scenario"`
	Summary  struct{ En string } `json:"summary"`
	Level    struct {
		Data string `json:"data"`
	} `json:"level"`
}

// diagnose asks what is wrong.
func (b *bench) diagnose() diagnosis {
	b.Helper()
	begin := time.Now()
	out, said, _ := b.try("salvor", "diagnose", "-o", "json")
	took := time.Since(begin)
	var d diagnosis
	if err := json.NewDecoder(strings.NewReader(out)).Decode(&d); err != nil {
		b.Fatalf("diagnose: %v\n%s%s", err, out, said)
	}
	b.Logf("diagnose: %.1f s: %s %s", took.Seconds(), d.Scenario, d.Level.Data)
	return d
}

// sees waits until salvor sees a scenario: a machine that was just wrecked is
// still falling.
func (b *bench) sees(scenarios ...string) {
	b.Helper()
	b.until(2*time.Minute, "see "+strings.Join(scenarios, " or "), func() error {
		d := b.diagnose()
		for _, s := range scenarios {
			if d.Scenario == s {
				return nil
			}
		}
		return fmt.Errorf("it sees %s: %s", d.Scenario, d.Summary.En)
	})
}

// recover runs the command for three in the morning and splits its time.
func (b *bench) recover(args ...string) {
	b.Helper()
	begin := time.Now()
	out, said, err := b.try("salvor", append([]string{"recover", "--yes", "--accept-loss", "unknown"}, args...)...)
	if err != nil {
		b.Fatalf("recover: %v\n%s%s", err, last(out, 40), last(said, 40))
	}
	b.split(begin)
}

func last(text string, lines int) string {
	all := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n") + "\n"
}

// whole demands that everything is as before: nodes, ledger, and a deployment
// that grows.
func (b *bench) whole() {
	b.Helper()
	b.nodesReady(2 * time.Minute)
	b.ledger.check()
	b.grows()
	b.until(time.Minute, "no manifest is left aside", func() error {
		if b.layout != "kubeadm" {
			return nil
		}
		for _, m := range b.planes() {
			out, err := b.on(m, "ls /etc/kubernetes/manifests | sort | tr '\\n' ' '; ls /etc/kubernetes/manifests.salvor 2>/dev/null | grep -v '.older-' | tr '\\n' ' '")
			if err != nil {
				return err
			}
			if out != "etcd.yaml kube-apiserver.yaml kube-controller-manager.yaml kube-scheduler.yaml" {
				return fmt.Errorf("%s has %s", m, out)
			}
		}
		return nil
	})
}
