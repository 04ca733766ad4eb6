package ssh

import (
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"time"
)

// Address is one machine's sshd, and who to be there.
type Address struct {
	// User is the user there; the one who runs this process when empty.
	User string
	Host string
	// Port is 22 when 0.
	Port int
}

// String gives user@host:port.
func (a Address) String() string {
	if a.User == "" {
		return a.dial()
	}
	return a.User + "@" + a.dial()
}

// dial gives host:port.
func (a Address) dial() string {
	port := a.Port
	if port == 0 {
		port = 22
	}
	return net.JoinHostPort(a.Host, strconv.Itoa(port))
}

// login gives the user to be.
func (a Address) login() string {
	if a.User != "" {
		return a.User
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return os.Getenv("USER")
}

// Options say how to reach one machine.
type Options struct {
	// Name names the machine in messages and in the commands that they
	// propose; the address when empty.
	Name    string
	Address Address
	// Jump are the machines to go through, in order.
	Jump []Address
	// Identities are private key files. When there are some, nothing else is
	// offered; otherwise the agent's keys and then DefaultIdentities are.
	Identities []string
	// KnownHosts are the files of known host keys; those that do not exist are
	// empty. Accept writes to the first.
	KnownHosts []string
	// Keys are the identities that this process has read, and its agent; hosts
	// share them, so that a passphrase is asked for once.
	Keys *Keys
	// Sudo runs everything there through "sudo -n --".
	Sudo bool
	// StateDir is Salvor's folder there; the binary lies in its folder bin.
	StateDir string
	// Binary is what runs there.
	Binary *Binary
	// Placed, unless nil, is told when the binary has travelled. It may be
	// called from several goroutines, each for another machine.
	Placed func(machine string, p Placement)
	Limits Limits
}

// Limits say how long things may take; the zero value has good ones.
type Limits struct {
	// Connect is how long each machine on the way may take to accept a
	// connection, and again to complete the handshake; 10 s when 0.
	Connect time.Duration
	// Alive is how long a machine may be silent, with a question open, until
	// it counts as dead; 15 s when 0.
	Alive time.Duration
	// Step is how long the binary's placement may stand still; 60 s when 0.
	Step time.Duration
	// Linger is how long a connection without sessions is kept; 5 s when 0.
	Linger time.Duration
	// Grace is how long a closed session may take to stop its work;
	// host.DefaultGrace when 0.
	Grace time.Duration
}

func orDefault(v, d time.Duration) time.Duration {
	if v <= 0 {
		return d
	}
	return v
}

// DefaultIdentities are the key files that ssh itself looks for, below a
// user's home.
func DefaultIdentities(home string) []string {
	var all []string
	for _, n := range []string{"id_ed25519", "id_ecdsa", "id_rsa"} {
		all = append(all, filepath.Join(home, ".ssh", n))
	}
	return all
}

// DefaultKnownHosts are the files that ssh itself looks into.
func DefaultKnownHosts(home string) []string {
	return []string{filepath.Join(home, ".ssh", "known_hosts"), "/etc/ssh/ssh_known_hosts"}
}

// Stats are what one machine has cost so far.
type Stats struct {
	// Connections counts those that were made; Connect is how long the last
	// one took, from the first packet to the accepted key.
	Connections int
	Connect     time.Duration
	// Sent and Received count bytes of SSH, with all that it adds.
	Sent, Received int64
	// Placement is the last time that the binary was looked for.
	Placement Placement
}

// Placement is how the binary came to lie there.
type Placement struct {
	Path   string
	SHA256 string
	// Size is the binary's size in bytes; Sent is how many bytes travelled,
	// compressed by Codec; Resumed is how many of Size an earlier attempt had
	// brought already.
	Size, Sent, Resumed int64
	Codec               string
	// Replaced says that something else lay under its name; that was kept
	// beside it.
	Replaced bool
	// Took is the whole time, with looking and verifying.
	Took time.Duration
}
