package failures

import (
	"bytes"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/salvor-project/salvor/test/ports"
)

// network stands between the members of a lab: what they say to one another
// goes through it, and can be dropped.
type network struct {
	mu sync.Mutex
	// lost tells whether what one member says to another does not arrive; from
	// is the ID of the one, to the name of the other.
	lost func(from, to string) bool
	open map[*way]bool
}

// way is one connection between two members.
type way struct {
	from, to string
	in, out  net.Conn
}

// apart puts a network between the members, before they are started.
func (l *lab) apart() *network {
	l.t.Helper()
	n := &network{open: map[*way]bool{}, lost: func(string, string) bool { return false }}
	l.behind = map[string]string{}
	for _, m := range l.cfg.Members {
		own := "127.0.0.1:" + strconv.Itoa(ports.Free(l.t))
		l.behind[m.Name] = "http://" + own
		n.serve(l.t, strings.TrimPrefix(m.PeerURLs[0], "http://"), own, m.Name)
	}
	return n
}

// serve takes connections to a member at one address and leads them to another.
func (n *network) serve(t testing.TB, at, to, name string) {
	t.Helper()
	listener, err := net.Listen("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go n.carry(&way{to: name, in: c}, to)
		}
	}()
}

// carry leads one connection on. Who speaks stands in the header of its first
// request (etcd server/etcdserver/api/rafthttp).
func (n *network) carry(w *way, to string) {
	defer w.in.Close()
	first := make([]byte, 64<<10)
	got, err := w.in.Read(first)
	if err != nil {
		return
	}
	if _, rest, ok := bytes.Cut(first[:got], []byte("X-Server-From: ")); ok {
		id, _, _ := bytes.Cut(rest, []byte("\r\n"))
		w.from = string(id)
	}
	if w.out, err = net.Dial("tcp", to); err != nil {
		return
	}
	defer w.out.Close()
	if !n.take(w) {
		return
	}
	defer n.leave(w)
	go func() { _, _ = io.Copy(w.in, w.out); _ = w.in.Close() }()
	if _, err := w.out.Write(first[:got]); err == nil {
		_, _ = io.Copy(w.out, w.in)
	}
}

func (n *network) take(w *way) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.lost(w.from, w.to) {
		return false
	}
	n.open[w] = true
	return true
}

func (n *network) leave(w *way) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.open, w)
}

// drop loses from now on what a test says is lost.
func (n *network) drop(lost func(from, to string) bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lost = lost
	for w := range n.open {
		if lost(w.from, w.to) {
			_ = w.in.Close()
			_ = w.out.Close()
		}
	}
}
