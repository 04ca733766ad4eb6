package observe

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestRedact: what is secret goes, in every form in which it stands in packs;
// what names a file stays.
func TestRedact(t *testing.T) {
	for _, text := range []string{
		`secret: /SECRETqz8b64==`,
		`API_TOKEN=/SECRETqz8b64==`,
		`DB_PASSWORD="/SECRETqz8"`,
		`{"name":"DB_PASSWORD","value":"SECRETqz8"}`,
		`{"name": "DB_PASS", "value": "/SECRETqz8 with \"SECRETqz8\" in it"}`,
		`last-applied: "{\"name\":\"AWS_SECRET\",\"value\":\"SECRETqz8\"}"`,
		`env: [{name: DB_PASSWORD, value: SECRETqz8}]`,
		"- name: DB_PASSWORD\n  value: SECRETqz8",
		`ExecStart=/usr/bin/x --password SECRETqz8 --other y`,
		"- --password\n    - SECRETqz8",
		`["--password", "SECRETqz8", "--x"]`,
		`//nas/etcd /b cifs username=u,pass=SECRETqz8,vers=3 0 0`,
		`//nas/etcd /b cifs username=u,password=/SECRETqz8 0 0`,
		`failed to list *v1.Secret: password: SECRETqz8`,
		`failed to list *v1.Secret: token=SECRETqz8 and secret: SECRETqz8`,
		`core.Secret: SECRETqz8`,
		`*Secret: SECRETqz8`,
		`"secret": "*core.Secret", "token": "SECRETqz8"`,
	} {
		got := string(Redact([]byte(text)))
		if strings.Contains(got, "SECRETqz8") || !strings.Contains(got, cut) {
			t.Errorf("%s\nbecomes %s", text, got)
		}
		if json.Valid([]byte(text)) && !json.Valid([]byte(got)) {
			t.Errorf("%s\nis no JSON any more: %s", text, got)
		}
	}
	for _, text := range []string{
		`--tls-private-key-file=/etc/kubernetes/pki/apiserver.key`,
		`--token-auth-file /etc/tokens`,
		"- --enable-bootstrap-token-auth\n    - --etcd-cafile=/etc/kubernetes/pki/etcd/ca.crt",
		`CREDENTIALS_DIR=/etc/credentials`,
		`{"name":"GOMAXPROCS","value":"4"}`,
		`cacher (secrets): unexpected ListAndWatch error: failed to list *core.Secret: unable to transform key "/registry/secrets/default/sealed": identity transformer tried to read encrypted data; reinitializing...`,
		`Failed to watch *v1.Secret: Timeout: Too large resource version: 247, current: 220`,
	} {
		if got := string(Redact([]byte(text))); got != text {
			t.Errorf("%s\nbecomes %s", text, got)
		}
	}
}

// TestRedactArgs: a flag's value may be an argument of its own.
func TestRedactArgs(t *testing.T) {
	got := strings.Join(RedactArgs([]string{"etcd", "--auth-token", "SECRETqz8", "--root-password=SECRETqz8", "--tls-private-key-file", "/k", "--name", "m"}), " ")
	if want := "etcd --auth-token " + cut + " --root-password=" + cut + " --tls-private-key-file /k --name m"; got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}
