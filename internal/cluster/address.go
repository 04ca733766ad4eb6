package cluster

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// SSHAddress is an address of the configuration, taken apart.
type SSHAddress struct {
	// User is empty when the address names none: then it is the one who runs
	// Salvor.
	User, Host string
	// Port is 22 when the address names none.
	Port int
}

// ParseSSHAddress reads [user@]host[:port]. An IPv6 address with a port stands
// in brackets.
func ParseSSHAddress(s string) (SSHAddress, error) {
	a := SSHAddress{Host: s, Port: 22}
	fail := func(why string) (SSHAddress, error) {
		return SSHAddress{}, fmt.Errorf("%q is no address: %s; write it like root@10.0.0.11 or admin@cp-1.example:2222", s, why)
	}
	if strings.Contains(s, "://") {
		return fail("it is a URL")
	}
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		if a.User, a.Host = s[:i], s[i+1:]; a.User == "" || strings.HasPrefix(a.User, "-") || odd(a.User) {
			return fail("the user before the @ cannot be one")
		}
	}
	host, port, err := splitPort(a.Host)
	if err != nil {
		return fail(err.Error())
	}
	if host == "" || strings.HasPrefix(host, "-") || odd(host) || strings.ContainsAny(host, "/@[]%*?!,") {
		return fail("there is no host that could be reached")
	}
	a.Host = host
	if port != "" {
		if a.Port, err = strconv.Atoi(port); err != nil || a.Port < 1 || a.Port > 65535 || port[0] == '+' {
			return fail("the port is not a number from 1 to 65535")
		}
	}
	return a, nil
}

// splitPort takes host:port, [host]:port, or a host alone, apart.
func splitPort(s string) (host, port string, err error) {
	if rest, ok := strings.CutPrefix(s, "["); ok {
		host, rest, ok = strings.Cut(rest, "]")
		if !ok || (rest != "" && rest[0] != ':') || rest == ":" {
			return "", "", errors.New("the brackets are not closed, or something else than a port follows")
		}
		return host, strings.TrimPrefix(rest, ":"), nil
	}
	if strings.Count(s, ":") != 1 {
		return s, "", nil // no port, or IPv6 without one
	}
	host, port, _ = strings.Cut(s, ":")
	if port == "" {
		return "", "", errors.New("the port behind the colon is missing")
	}
	return host, port, nil
}

// odd tells whether a word holds what no name of a user or a host does.
func odd(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune("\"'`\\$;&|<>(){}#", r) })
}
