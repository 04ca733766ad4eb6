package diagnose_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/diagnose"
	"github.com/salvor-project/salvor/internal/diagnose/stories"
)

// TestAManifestIsAdapted: the finding holds the command, and the command does
// what it should to a real manifest.
func TestAManifestIsAdapted(t *testing.T) {
	w := stories.Control()
	for i, n := range []string{"m1", "m2", "m3"} {
		ip := "10.0.0.1" + string(rune('1'+i))
		for j, h := range w.Facts.Config.Hosts {
			if h.Name == "h"+n {
				w.Facts.Config.Hosts[j].Via, w.Facts.Config.Hosts[j].Address = cluster.ViaSSH, "root@"+ip
			}
		}
		w.Facts.Config.Kubernetes.Nodes = append(w.Facts.Config.Kubernetes.Nodes, cluster.Node{Host: "h" + n, API: "https://" + ip + ":6443"})
	}
	k := w.Kube("m2")
	gone := ""
	for i, f := range k.Manifests.Value {
		if f.Pod.Value.Name == "kube-apiserver" {
			k.Manifests.Value = append(k.Manifests.Value[:i:i], k.Manifests.Value[i+1:]...)
			gone = f.Path
			break
		}
	}
	line := ""
	for _, f := range diagnose.Diagnose(w.Facts).Findings {
		if f.Code == diagnose.ManifestMissing {
			line = strings.Join(f.Evidence, "\n")
		}
	}
	read, write := "ssh root@10.0.0.11 cat "+gone+" | sed -E ", " | ssh root@10.0.0.12 tee /etc/kubernetes/kube-apiserver.yaml.new "
	from, to := strings.Index(line, read), strings.Index(line, write)
	if gone == "" || from < 0 || to < from {
		t.Fatalf("the evidence has no command: %s", line)
	}
	cmd := exec.Command("sh", "-c", "sed -E "+line[from+len(read):to])
	cmd.Stdin = strings.NewReader("--advertise-address=10.0.0.11\n--etcd-servers=https://10.0.0.11:2379,https://10.0.0.12:2379\nhost: 10.0.0.11\n--other=10.0.0.110 hm1 hm11\n")
	out, err := cmd.CombinedOutput()
	if want := "--advertise-address=10.0.0.12\n--etcd-servers=https://10.0.0.11:2379,https://10.0.0.12:2379\nhost: 10.0.0.12\n--other=10.0.0.110 hm2 hm11\n"; err != nil || string(out) != want {
		t.Errorf("%v: got\n%swant\n%s", err, out, want)
	}
	// A name that a shell would take for more gives no command.
	w.Facts.Config.Hosts[0].Address = "root@10.0.0.11;reboot"
	w.Facts.Config.Hosts[2].Address = "root@$(reboot)"
	for _, f := range diagnose.Diagnose(w.Facts).Findings {
		if f.Code == diagnose.ManifestMissing && strings.Contains(strings.Join(f.Evidence, "\n"), "reboot") {
			t.Errorf("a command with %q", f.Evidence)
		}
	}
}
