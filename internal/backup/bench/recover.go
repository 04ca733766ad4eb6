package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/salvor-project/salvor/internal/measure"
)

// recover measures the recovery of a member whose disk is lost, from the vault
// and from the same snapshot on its machine: from the command's start to its
// verdict, with an etcd that serves.
func (o options) recover() error {
	snap := o.path("snap.db")
	got, err := row("`salvor vault get --snapshot`", o.salvor, "vault", "get", "-c", o.config("folder"), "--any-cluster", "--snapshot", snap)
	if err != nil {
		return err
	}
	from := map[string]string{}
	for name, source := range map[string]string{
		"vault": fmt.Sprintf("vault: {identity: %s, signingKey: %s, targets: [{name: one, dir: %s}]}", o.path("key.txt"), o.path("sign"), o.path("one")),
		"file":  fmt.Sprintf("snapshots: [{host: h, path: %s}]", snap),
	} {
		from[name] = o.path("recover-" + name + ".yaml")
		if err := os.WriteFile(from[name], []byte(o.lost()+source+"\n"), 0o600); err != nil {
			return err
		}
	}
	file, err := o.recovered("`salvor recover` from the snapshot on the machine", from["file"])
	if err != nil {
		return err
	}
	vault, err := o.recovered("`salvor recover` from the backup in the folder", from["vault"])
	if err != nil {
		return err
	}
	slower := max(got.Took, file.Took).Seconds()
	fmt.Printf("\nRecover from the vault: %.2f times the slower of `vault get` and recovering from the file (goal: 1.2); one after the other, %.2f times.\n",
		vault.Took.Seconds()/slower, (got.Took+file.Took).Seconds()/slower)
	return os.Remove(snap)
}

// lost describes a machine whose member is gone.
func (o options) lost() string {
	client, peer := "http://127.0.0.1:"+clientPort, "http://127.0.0.1:"+peerPort
	return fmt.Sprintf(`cluster: bench
hosts: [{name: h, via: local, stateDir: %[1]s/state}]
members:
  - name: m
    host: h
    dataDir: %[2]s
    clientURLs: ['%[3]s']
    peerURLs: ['%[4]s']
    run: {process: {log: %[1]s/m.log, command: [%[5]s, --name=m, --data-dir=%[2]s, '--listen-client-urls=%[3]s', '--advertise-client-urls=%[3]s',
      '--listen-peer-urls=%[4]s', '--initial-advertise-peer-urls=%[4]s', '--initial-cluster=m=%[4]s', --quota-backend-bytes=8589934592]}}
`, o.path("recovered"), o.lostDir(), client, peer, filepath.Join(o.etcd, "etcd"))
}

func (o options) lostDir() string { return o.path("recovered/m") }

// recovered measures one recovery, and loses everything again.
func (o options) recovered(what, config string) (measure.Cost, error) {
	if err := os.Mkdir(o.path("recovered"), 0o700); err != nil {
		return measure.Cost{}, err
	}
	cost, err := row(what, o.salvor, "recover", "-c", config, "--cases", o.path("recovered/cases"), "--accept-loss", "unknown", "--budget", "5m")
	return cost, errors.Join(err, killEtcd("--data-dir="+o.lostDir()), os.RemoveAll(o.path("recovered")))
}

// killEtcd ends the process that has this word on its command line.
func killEtcd(word string) error {
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return err
	}
	for _, path := range all {
		words, err := os.ReadFile(path)
		if err != nil || !strings.Contains("\x00"+string(words), "\x00"+word+"\x00") {
			continue // it has ended, or is another
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			return err
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			return fmt.Errorf("end the etcd that was recovered: %w", err)
		}
	}
	return nil
}
