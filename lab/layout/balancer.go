package layout

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/salvor-project/salvor/lab/machine"
	"github.com/salvor-project/salvor/lab/proc"
	"github.com/salvor-project/salvor/lab/state"
)

const balancerGlobal = `global
	maxconn 4000
	pidfile %[1]s/haproxy.pid
	stats socket %[1]s/haproxy.sock mode 600
defaults
	mode tcp
	timeout connect 2s
	timeout client 10m
	timeout server 10m
	timeout check 2s
frontend kube-apiserver
	bind %[2]s:6443
	default_backend kube-apiservers
backend kube-apiservers
	balance roundrobin
	option httpchk GET /readyz
	http-check expect status 200
	default-server check check-ssl verify none inter 1s fall 2 rise 1 on-marked-down shutdown-sessions
`

// StartBalancer starts HAProxy before the lab's API servers. It is no error
// that it runs.
func StartBalancer(ctx context.Context, lab *state.Lab) error {
	if pid := balancerPID(); pid != 0 {
		return nil
	}
	return startBalancer(ctx, lab, fmt.Sprintf(balancerGlobal, state.Dir(), machine.Virtual), 6443)
}

// MisleadBalancer restarts HAProxy without checks, before a port of the API
// servers' machines.
func MisleadBalancer(ctx context.Context, lab *state.Lab, port int) error {
	if err := StopBalancer(); err != nil {
		return err
	}
	conf, _, _ := strings.Cut(fmt.Sprintf(balancerGlobal, state.Dir(), machine.Virtual), "\toption httpchk")
	return startBalancer(ctx, lab, conf, port)
}

func startBalancer(ctx context.Context, lab *state.Lab, conf string, port int) error {
	dir := state.Dir()
	for _, m := range lab.ControlPlanes() {
		conf += fmt.Sprintf("\tserver %s %s:%d\n", m.Name, m.Addr, port)
	}
	path := filepath.Join(dir, "haproxy.cfg")
	if err := os.WriteFile(path, []byte(conf), 0o600); err != nil {
		return err
	}
	return proc.Run(ctx, machine.Inside(machine.Balancer(), "haproxy", "-D", "-f", path)...)
}

// StopBalancer kills HAProxy, and with it the API's virtual address.
func StopBalancer() error {
	pid := balancerPID()
	if pid == 0 {
		return nil
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("stop haproxy: %w", err)
	}
	for end := time.Now().Add(5 * time.Second); !ended(pid); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			return fmt.Errorf("stop haproxy: process %d does not end", pid)
		}
	}
	return nil
}

// ended tells whether a process is gone, or a zombie: its sockets are closed.
func ended(pid int) bool {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, state, _ := strings.Cut(string(data), ") ")
	return err != nil || strings.HasPrefix(state, "Z")
}

// balancerPID is the process of the lab's HAProxy, or 0.
func balancerPID() int {
	data, err := os.ReadFile(filepath.Join(state.Dir(), "haproxy.pid"))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		return 0
	}
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil || !strings.Contains(string(line), filepath.Join(state.Dir(), "haproxy.cfg")) {
		return 0
	}
	return pid
}

// Backends tells what the load balancer thinks of each API server: its state
// ("UP", "DOWN", …) by the machine's name.
func Backends() (map[string]string, error) {
	conn, err := net.DialTimeout("unix", filepath.Join(state.Dir(), "haproxy.sock"), time.Second)
	if err != nil {
		return nil, fmt.Errorf("ask haproxy: %w", err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(2 * time.Second))
	if _, err := io.WriteString(conn, "show stat\n"); err != nil {
		return nil, err
	}
	in := csv.NewReader(bufio.NewReader(conn))
	in.FieldsPerRecord = -1
	rows, err := in.ReadAll()
	if err != nil || len(rows) == 0 {
		return nil, fmt.Errorf("read haproxy's answer: %w", err)
	}
	column := -1
	for i, name := range rows[0] {
		if name == "status" {
			column = i
		}
	}
	states := map[string]string{}
	for _, row := range rows[1:] {
		if column >= 0 && len(row) > column && row[0] == "kube-apiservers" && row[1] != "BACKEND" {
			states[row[1]] = row[column]
		}
	}
	return states, nil
}
