// Bench measures a backup to two targets against `etcdctl snapshot save` and
// zstd, and fetching against copying the sealed file, on an etcd that serves a
// large snapshot. It prints a Markdown table.
//
//	go build -o /tmp/salvor ./cmd/salvor
//	go run ./internal/datadir/bench -dir CACHE -rows none    # makes the subject, CACHE/old.db
//	go run ./internal/backup/bench -subject CACHE/old.db -salvor /tmp/salvor -etcd DIR-WITH-ETCD-AND-ETCDCTL -dir WORK
//
// It needs the program zstd, root to drop the page cache, and 20 GB in WORK,
// which has to be a folder that does not exist.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

type options struct{ subject, salvor, etcd, dir string }

func main() {
	var o options
	flag.StringVar(&o.subject, "subject", "", "a snapshot file")
	flag.StringVar(&o.salvor, "salvor", "", "the salvor program")
	flag.StringVar(&o.etcd, "etcd", "", "the folder of etcd and etcdctl")
	flag.StringVar(&o.dir, "dir", "", "where the work is done: a new folder")
	rounds := flag.Int("rounds", 1, "how often each is measured")
	flag.Parse()
	if err := o.run(*rounds); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func (o options) run(rounds int) error {
	if err := os.Mkdir(o.dir, 0o700); err != nil {
		return err
	}
	endpoint, stop, err := o.serve()
	if err != nil {
		return err
	}
	defer stop()
	if err := o.configure(endpoint); err != nil {
		return err
	}
	load, _ := os.ReadFile("/proc/loadavg")
	fmt.Printf("Load at the start: %s\n| what | seconds | CPU | anonymous memory |\n|---|---|---|---|\n", load)
	for range rounds {
		if err := o.round(endpoint); err != nil {
			return err
		}
	}
	return nil
}

// serve restores the subject and starts an etcd on it.
func (o options) serve() (string, func(), error) {
	data, url := filepath.Join(o.dir, "etcd"), []string{"http://127.0.0.1:" + port(), "http://127.0.0.1:" + port()}
	if _, err := command("restore", o.salvor, "snapshot", "restore", o.subject, "--data-dir", data, "--name", "m", "--new-token",
		"--initial-cluster", "m="+url[1], "--initial-advertise-peer-urls", url[1]); err != nil {
		return "", nil, err
	}
	log, err := os.Create(filepath.Join(o.dir, "etcd.log"))
	if err != nil {
		return "", nil, err
	}
	c := exec.Command(filepath.Join(o.etcd, "etcd"), "--name=m", "--data-dir="+data, "--listen-client-urls="+url[0], "--advertise-client-urls="+url[0],
		"--listen-peer-urls="+url[1], "--initial-advertise-peer-urls="+url[1], "--initial-cluster=m="+url[1], "--quota-backend-bytes=8589934592")
	c.Stdout, c.Stderr = log, log
	if err := c.Start(); err != nil {
		return "", nil, err
	}
	stop := func() { _ = c.Process.Kill(); _ = c.Wait() }
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(200 * time.Millisecond) {
		if exec.Command(filepath.Join(o.etcd, "etcdctl"), "--endpoints="+url[0], "get", "x").Run() == nil {
			return url[0], stop, nil
		}
		if time.Now().After(deadline) {
			stop()
			return "", nil, errors.New("etcd does not serve: see etcd.log")
		}
	}
}

// port finds one that is free now.
func port() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "0"
	}
	defer l.Close()
	_, p, _ := net.SplitHostPort(l.Addr().String())
	return p
}

func (o options) path(name string) string { return filepath.Join(o.dir, name) }

func (o options) configure(endpoint string) error {
	text := fmt.Sprintf(`cluster: bench
hosts: [{name: h, via: local, stateDir: %[1]s/state}]
members:
  - name: m
    host: h
    dataDir: %[1]s/etcd
    clientURLs: ['%[2]s']
    peerURLs: ['http://127.0.0.1:1']
    run: {systemd: etcd.service}
vault:
  identity: %[1]s/key.txt
  signingKey: %[1]s/sign
  recipients: [RECIPIENT]
  targets: [{name: one, dir: %[1]s/one}, {name: two, dir: %[1]s/two}]
backup:
  absent: [/etc/kubernetes]
  scratch: %[1]s
`, o.dir, endpoint)
	for _, d := range []string{"one", "two"} {
		if err := os.Mkdir(o.path(d), 0o700); err != nil {
			return err
		}
	}
	write := func(recipient string) error {
		return os.WriteFile(o.path("salvor.yaml"), []byte(strings.Replace(text, "RECIPIENT", recipient, 1)), 0o600)
	}
	if err := write("age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"); err != nil {
		return err
	}
	out, err := exec.Command(o.salvor, "-c", o.path("salvor.yaml"), "vault", "init", "--new-identity", o.path("key.txt")).Output()
	if err != nil {
		return fmt.Errorf("vault init: %w", err)
	}
	for _, word := range strings.Fields(string(out)) {
		if strings.HasPrefix(word, "age1") {
			return write(word)
		}
	}
	return errors.New("vault init named no recipient")
}

// round measures each once, with a cold page cache.
func (o options) round(endpoint string) error {
	config := []string{"-c", o.path("salvor.yaml")}
	base := o.path("base.db")
	var sum measured
	for _, c := range [][]string{{filepath.Join(o.etcd, "etcdctl"), "--endpoints=" + endpoint, "--command-timeout=10m", "snapshot", "save", base}, {"zstd", "-q", "-f", base}} {
		if err := cold(); err != nil {
			return err
		}
		m, err := command(filepath.Base(c[0]), c...)
		if err != nil {
			return err
		}
		sum = measured{sum.took + m.took, sum.cpu + m.cpu, max(sum.memory, m.memory)}
	}
	sum.print("`etcdctl snapshot save`, then `zstd`")
	sealed, err := os.Stat(base + ".zst")
	if err != nil {
		return err
	}
	backup, err := o.salvorRow("`salvor backup` to two targets, sealed, read back", append([]string{"backup"}, config...))
	if err != nil {
		return err
	}
	parts, err := filepath.Glob(o.path("one/backups/*/etcd.snapshot.zst.age"))
	if err != nil || len(parts) == 0 {
		return fmt.Errorf("find the sealed snapshot: %w", err)
	}
	ours, err := os.Stat(parts[len(parts)-1])
	if err != nil {
		return err
	}
	if err := cold(); err != nil {
		return err
	}
	copied, err := command("cp", "cp", parts[len(parts)-1], o.path("copy"))
	if err != nil {
		return err
	}
	copied.print("copy of the sealed file (the download)")
	fetched, err := o.salvorRow("`salvor vault get --snapshot`", append([]string{"vault", "get", "--any-cluster", "--snapshot", o.path("snap.db")}, config...))
	if err != nil {
		return err
	}
	restored, err := o.salvorRow("`salvor snapshot restore` of it", []string{"snapshot", "restore", o.path("snap.db"), "--data-dir", o.path("restored")})
	if err != nil {
		return err
	}
	if _, err := o.salvorRow("`salvor vault prove`", append([]string{"vault", "prove"}, config...)); err != nil {
		return err
	}
	fmt.Printf("\nBackup: %.2f times `etcdctl snapshot save` and `zstd` by the clock, %.2f by CPU. Fetch and restore: %.2f times the slower of copy and restore.\nSealed: %d bytes; zstd alone: %d.\n\n",
		backup.took.Seconds()/sum.took.Seconds(), backup.cpu.Seconds()/sum.cpu.Seconds(),
		(fetched.took+restored.took).Seconds()/max(copied.took, restored.took).Seconds(), ours.Size(), sealed.Size())
	return errors.Join(os.Remove(o.path("snap.db")), os.Remove(o.path("copy")), os.Remove(base+".zst"), os.RemoveAll(o.path("restored")))
}

func (o options) salvorRow(what string, args []string) (measured, error) {
	if err := cold(); err != nil {
		return measured{}, err
	}
	m, err := command(what, append([]string{o.salvor}, args...)...)
	if err == nil {
		m.print(what)
	}
	return m, err
}

// measured is one command's time and peak of anonymous memory in bytes.
type measured struct {
	took, cpu time.Duration
	memory    int64
}

func (m measured) print(what string) {
	fmt.Printf("| %s | %.1f | %.1f | %d MiB |\n", what, m.took.Seconds(), m.cpu.Seconds(), m.memory>>20)
}

// command runs one and samples its memory every 10 ms.
func command(what string, args ...string) (measured, error) {
	c := exec.Command(args[0], args[1:]...)
	c.Stderr = os.Stderr
	begin := time.Now()
	if err := c.Start(); err != nil {
		return measured{}, err
	}
	done := make(chan error, 1)
	go func() { done <- c.Wait() }()
	var m measured
	for {
		select {
		case err := <-done:
			m.took = time.Since(begin)
			m.cpu = c.ProcessState.UserTime() + c.ProcessState.SystemTime()
			if err != nil {
				return m, fmt.Errorf("%s: %w", what, err)
			}
			return m, nil
		case <-time.After(10 * time.Millisecond):
			m.memory = max(m.memory, anonymous(c.Process.Pid))
		}
	}
}

// anonymous reads RssAnon of /proc/PID/status.
func anonymous(pid int) int64 {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if rest, ok := strings.CutPrefix(s.Text(), "RssAnon:"); ok {
			n, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return n << 10
		}
	}
	return 0
}

// cold drops the page cache; it needs root.
func cold() error {
	if err := exec.Command("sync").Run(); err != nil {
		return err
	}
	return os.WriteFile("/proc/sys/vm/drop_caches", []byte("3"), 0)
}
