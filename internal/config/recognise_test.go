package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRecogniseCommandLines(t *testing.T) {
	for line, want := range map[string]sureness{
		"/usr/bin/etcd":                     surelyEtcd,
		"etcd --name a":                     surelyEtcd,
		"/opt/etcd-v3.5.21 --data-dir /d":   surelyEtcd,
		"etcd grpc-proxy start":             notEtcd,
		"etcd --version":                    notEtcd,
		"/usr/bin/etcd-backup --data-dir x": notEtcd,
		"etcdutl snapshot restore s.db --data-dir /d --name a --initial-cluster a=http://h:1": notEtcd,
		"docker run etcd --data-dir /d --listen-peer-urls http://h:1":                         notEtcd,
		"sudo etcd --data-dir /d":                      notEtcd,
		"/opt/app --data-dir /d":                       notEtcd,
		"/opt/app serve --data-dir=/d --name a":        maybeEtcd,
		"/opt/app -data-dir /d -listen-peer-urls x":    maybeEtcd,
		"/opt/app --config-file /etc/app.yaml":         maybeEtcd,
		"kube-apiserver --etcd-servers https://h:2379": notEtcd,
	} {
		if got := recognise(strings.Fields(line), ""); got != want {
			t.Errorf("%s: %d, want %d", line, got, want)
		}
	}
	if got := recognise([]string{"database"}, "/usr/lib/etcd"); got != surelyEtcd {
		t.Errorf("a process that calls itself otherwise: %d", got)
	}
}

func TestSettingsFollowEtcdsOrder(t *testing.T) {
	file := func(string) ([]byte, error) {
		return []byte("name: from-file\nlisten-client-urls: https://0.0.0.0:1,http://[::]:2\nclient-transport-security:\n  cert-file: c\n  client-cert-auth: true\n"), nil
	}
	env := []string{"ETCD_NAME=from-env", "ETCD_WAL_DIR=/e/member/wal", "ETCD_DATA_DIR=e", "ETCD_QUOTA="}
	s, err := combine(fromFlags([]string{"--name", "from-flag", "--client-cert-auth", "-data-dir=/e"}), env, "/cwd", nil)
	if err != nil {
		t.Fatal(err)
	}
	want := settings{"name": "from-flag", "client-cert-auth": "true", "data-dir": "/e", "wal-dir": "/e/member/wal"}
	if d := cmp.Diff(want, s); d != "" {
		t.Errorf("flags before environment (-want +got):\n%s", d)
	}
	if s.walDir("/cwd") != "" {
		t.Errorf("a log where etcd puts it anyway is named: %s", s.walDir("/cwd"))
	}
	s, err = combine(fromFlags([]string{"--name", "from-flag"}), append(env, "ETCD_CONFIG_FILE=x"), "/cwd", file)
	if err != nil {
		t.Fatal(err)
	}
	want = settings{"name": "from-file", "listen-client-urls": "https://0.0.0.0:1,http://[::]:2", "cert-file": "c", "client-cert-auth": "true"}
	if d := cmp.Diff(want, s); d != "" {
		t.Errorf("a file excludes flags and environment (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"https://127.0.0.1:1", "http://[::1]:2"}, s.clientURLs()); d != "" {
		t.Errorf("URLs that nobody can dial (-want +got):\n%s", d)
	}
	empty := settings{}
	if empty.dataDir("/cwd") != "/cwd/default.etcd" || empty.clientURLs()[0] != defaultClientURLs || empty.peerURLs()[0] != defaultPeerURLs {
		t.Errorf("defaults: %s %s %s", empty.dataDir("/cwd"), empty.clientURLs(), empty.peerURLs())
	}
}

func TestSecretsAndDangersStayOut(t *testing.T) {
	env, left := neededEnv([]string{
		"PATH=/bin", "HOME=/root", "ETCD_NAME=a", "ETCD_INITIAL_CLUSTER_TOKEN=t", "ETCD_DISCOVERY_PASSWORD=p", "ETCD_FORCE_NEW_CLUSTER=true",
		"ETCD_DISCOVERY_ENDPOINTS=https://u:p@h:1", "GOMEMLIMIT=1GiB", "AWS_SECRET_ACCESS_KEY=s", "ETCD_EMPTY=",
	})
	if d := cmp.Diff([]string{"ETCD_INITIAL_CLUSTER_TOKEN=t", "ETCD_NAME=a", "GOMEMLIMIT=1GiB"}, env); d != "" {
		t.Errorf("environment (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"ETCD_DISCOVERY_PASSWORD", "ETCD_FORCE_NEW_CLUSTER", "ETCD_DISCOVERY_ENDPOINTS"}, left); d != "" {
		t.Errorf("left out (-want +got):\n%s", d)
	}
	argv, left := safeCommand(strings.Fields("etcd --discovery-password geheim --name a --force-new-cluster --discovery-user=u:p --data-dir /d"))
	if d := cmp.Diff(strings.Fields("etcd --name a --data-dir /d"), argv); d != "" {
		t.Errorf("command (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"--discovery-password", "--force-new-cluster", "--discovery-user"}, left); d != "" {
		t.Errorf("left out (-want +got):\n%s", d)
	}
}

func TestControlGroupsNameTheService(t *testing.T) {
	for group, want := range map[string]string{
		"0::/system.slice/etcd.service\n": "etcd.service",
		"9:memory:/other.service\n1:name=systemd:/system.slice/system-etcd.slice/etcd@a.service\n": "etcd@a.service",
		"0::/user.slice/user-0.slice/session-3.scope\n":                                            "",
		"0::/system.slice/docker-0123.scope\n":                                                     "",
		"1:name=systemd:/\n0::/\n":                                                                 "",
	} {
		if got := unitOf(group); got != want {
			t.Errorf("%q: %q, want %q", group, got, want)
		}
	}
}

func TestEnvironmentFiles(t *testing.T) {
	got := envFile("# c\n; c\n\nA=1\n export B = \"two words\" \nC='x=y'\nD=one\\\ntwo\nno line\nE=\n")
	if d := cmp.Diff([]string{"A=1", "B=two words", "C=x=y", "D=onetwo", "E="}, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}
