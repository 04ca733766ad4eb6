package e2e

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// TestPortTaken: something else took a member's port while it was down.
func TestPortTaken(t *testing.T) {
	l := labOf(t, 3)
	l.lose("m2", "m3")
	l.write()
	thief, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(l.node("m2").client)))
	must(t, err)
	defer thief.Close()
	l.salvor("recover", "--accept-loss", "unknown").want(t, 13, "start-member@m2", "address already in use", "salvor resume")
	must(t, thief.Close())
	l.resumes()
}

// TestMemberDiesAtStart: a member's certificate cannot be read, so that its
// process ends at once.
func TestMemberDiesAtStart(t *testing.T) {
	l := labOf(t, 3)
	l.lose("m2", "m3")
	n := l.node("m3")
	good := n.cert
	n.cert = filepath.Join(l.dir, "broken.crt")
	must(t, os.WriteFile(n.cert, []byte("broken"), 0o600))
	l.write()
	l.salvor("recover", "--accept-loss", "unknown").want(t, 13, "start-member@m3", "it ended", "salvor resume")
	n.cert = good
	l.writeEtcd(n)
	l.resumes()
}
