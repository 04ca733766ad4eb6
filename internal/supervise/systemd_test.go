package supervise

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/salvor-project/salvor/internal/cluster"
)

const shown = `LoadState=loaded
ActiveState=activating
SubState=auto-restart
Result=exit-code
MainPID=4711
ExecStart={ path=/usr/bin/etcd ; argv[]=/usr/bin/etcd --name=a --initial-cluster=a=http://old --initial-cluster-state new --x=50% ; ignore_errors=no ; start_time=[n/a] ; stop_time=[n/a] ; pid=0 ; code=(null) ; status=0/0 }
Environment=ETCD_DATA_DIR=/var/lib/etcd
EnvironmentFiles=/etc/etcd.env (ignore_errors=yes)
`

func TestParseShow(t *testing.T) {
	u := parseShow(shown)
	if u.active != "activating" || u.sub != "auto-restart" || u.mainPID != 4711 || u.load != "loaded" || u.result != "exit-code" {
		t.Errorf("%+v", u)
	}
	args, err := execArgs(u.exec)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"/usr/bin/etcd", "--name=a", "--initial-cluster=a=http://old", "--initial-cluster-state", "new", "--x=50%"}, args); diff != "" {
		t.Error(diff)
	}
	twice := parseShow(shown + strings.Split(shown, "\n")[5] + "\n")
	if _, err := execArgs(twice.exec); err == nil {
		t.Error("two commands were taken for one")
	}
}

func TestDropIn(t *testing.T) {
	o := Override{InitialCluster: "a=http://x,b=http://y"}
	conf, env, file, err := dropIn("/run/d", "/var/lib/etcd", parseShow(shown), o)
	if err != nil || file != "" {
		t.Fatal(file, err)
	}
	want := `[Service]
EnvironmentFile=/run/d/90-salvor.env
ExecStart=
ExecStart="/usr/bin/etcd" "--name=a" "--x=50%%" "--initial-cluster" "a=http://x,b=http://y" "--initial-cluster-state" "existing"
`
	if diff := cmp.Diff(want, conf); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff("ETCD_INITIAL_CLUSTER=a=http://x,b=http://y\nETCD_INITIAL_CLUSTER_STATE=existing\n", env); diff != "" {
		t.Error(diff)
	}
	plain := unit{exec: "{ path=/usr/bin/etcd ; argv[]=/usr/bin/etcd --name=a ; ignore_errors=no }"}
	if conf, _, _, err = dropIn("/run/d", "/var/lib/etcd", plain, o); err != nil || conf != "[Service]\nEnvironmentFile=/run/d/90-salvor.env\n" {
		t.Errorf("without flags: %q, %v", conf, err)
	}
}

func TestUnitNameAndArgs(t *testing.T) {
	for name, want := range map[string]string{"etcd": "etcd.service", "etcd.service": "etcd.service", "etcd@a.b": "etcd@a.b.service"} {
		if got := unitName(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	want := []string{"--no-pager", "--output=cat", "--lines=200", "--since=@100", "--unit=etcd.service"}
	if diff := cmp.Diff(want, journalArgs("etcd.service", time.Unix(100, 5))); diff != "" {
		t.Error(diff)
	}
	if uid, gid, ok := userOf("User=root\nGroup=\n"); uid != 0 || gid != 0 || !ok {
		t.Error(uid, gid, ok)
	}
	if _, _, ok := userOf("User=nobody-of-this-name\n"); ok {
		t.Error("an unknown user was found")
	}
}

// TestSystemd runs a real unit.
func TestSystemd(t *testing.T) {
	comm, err := os.ReadFile("/proc/1/comm")
	if err != nil || strings.TrimSpace(string(comm)) != "systemd" || os.Geteuid() != 0 {
		t.Skipf("process 1 is %s, user %d: this needs systemd and root", strings.TrimSpace(string(comm)), os.Geteuid())
	}
	m := member(t, filepath.Join(t.TempDir(), "etcd"))
	name := "salvor-test.service"
	unitFile := filepath.Join(dropInRoot, name)
	content := "[Service]\nExecStart=" + strings.Join(m.Run.Process.Command, " ") + "\n"
	if err := os.WriteFile(unitFile, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = systemctl(context.Background(), "stop", name)
		_ = os.Remove(unitFile)
		_ = systemctl(context.Background(), "daemon-reload")
	})
	if err := systemctl(t.Context(), "daemon-reload"); err != nil {
		t.Fatal(err)
	}
	m.Run = cluster.Supervisor{Systemd: name}
	f, err := Start(t.Context(), m, Override{InitialCluster: "a=http://x"})
	if err != nil || f.Unit != "active" {
		t.Fatalf("%+v, %v", f, err)
	}
	if _, err := os.Stat(filepath.Join(dropInRoot, name+".d")); !os.IsNotExist(err) {
		t.Errorf("the drop-in is still there: %v", err)
	}
	if err := Stop(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	// Nobody starts it now, until it is let go.
	for range 2 {
		if err := systemctl(t.Context(), "start", name); err == nil || !HeldBack(m) {
			t.Fatalf("a unit that is held back was started (%v)", err)
		}
		if err := systemctl(t.Context(), "daemon-reload"); err != nil {
			t.Fatal(err)
		}
	}
	if err := Unhold(t.Context(), m); err != nil || HeldBack(m) {
		t.Fatal(err)
	}
	if err := systemctl(t.Context(), "start", name); err != nil {
		t.Fatal(err)
	}
	c := Component{Name: "test", Program: "none", Run: cluster.Component{Systemd: name}}
	if err := c.Hold(t.Context()); err != nil {
		t.Fatal(err)
	}
	if held, err := c.Held(t.Context()); !held || err != nil {
		t.Fatal(held, err)
	}
	if _, err := Start(t.Context(), m, Override{}); err != nil || HeldBack(m) {
		t.Fatalf("a start does not let it go: %v", err)
	}
	if err := errors.Join(Stop(t.Context(), m), Unhold(t.Context(), m)); err != nil {
		t.Fatal(err)
	}
}
