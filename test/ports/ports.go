// Package ports finds ports for the servers that tests start.
package ports

import (
	"math/rand/v2"
	"net"
	"strconv"
	"testing"
)

// Ports are taken from below the range that Linux gives to outgoing
// connections (32768 by default): a server that is down for a moment must find
// its port free again.
const first, last = 15000, 30000

// Free gives a port of the loopback interface on which nothing listens now.
func Free(t testing.TB) int {
	t.Helper()
	for range 1000 {
		port := first + rand.IntN(last-first)
		l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		return port
	}
	t.Fatalf("no free port between %d and %d", first, last)
	return 0
}
