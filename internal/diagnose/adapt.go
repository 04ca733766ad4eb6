package diagnose

import (
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/salvor-project/salvor/internal/cluster"
)

// adapted gives the command that makes a machine's missing manifest from another
// machine's, for a person to read what comes out before it is moved into place;
// empty where too little is known for an exact one. The lists of all members
// stay as they are: they name every machine.
func (v view) adapted(host, pod string) string {
	to, ok := v.facts.Config.Host(host)
	target := v.addressOf(host)
	if !ok || target == "" {
		return ""
	}
	for _, k := range v.kubes() {
		from, known := v.facts.Config.Host(k.host)
		source := v.addressOf(k.host)
		if k.host == host || !known || source == "" {
			continue
		}
		for _, f := range k.facts.Manifests.Value {
			read, write := shell(from), shell(to)
			if !f.Pod.OK || f.Pod.Value.Name != pod || read == "" || write == "" || !plain(f.Path) {
				continue
			}
			next := path.Join(path.Dir(path.Dir(f.Path)), path.Base(f.Path)+".new")
			names := ""
			if a, b := v.nodeName(k.host), v.nodeName(host); plain(a) && plain(b) {
				names = fmt.Sprintf(`; s/\b%s\b/%s/g`, dotted(a), b)
			}
			return fmt.Sprintf(`%scat %s | sed -E '/--(initial-cluster|etcd-servers)=/!{s/\b%s\b/%s/g%s}' | %stee %s   # read what it says, then: %smv %s %s`,
				read, f.Path, dotted(source), target, names, write, next, write, next, f.Path)
		}
	}
	return ""
}

// shell is how a person reaches a machine to run a command there.
func shell(h cluster.Host) string {
	a, err := cluster.ParseSSHAddress(h.Address)
	if h.Via != cluster.ViaSSH || err != nil || !plain(h.Address) {
		return ""
	}
	to := a.Host
	if a.User != "" {
		to = a.User + "@" + a.Host
	}
	out := "ssh "
	if a.Port != 22 {
		out += "-p " + strconv.Itoa(a.Port) + " "
	}
	if out += to + " "; h.Sudo {
		out += "sudo "
	}
	return out
}

// addressOf is the address by which a machine's manifests name it.
func (v view) addressOf(host string) string {
	at := ""
	if n, ok := v.facts.Config.Node(host); ok {
		at = urlHost(n.API)
	}
	for _, m := range v.facts.Config.Members {
		if m.Host == host && len(m.PeerURLs) > 0 && at == "" {
			at = urlHost(m.PeerURLs[0])
		}
	}
	if !plain(at) || at == "127.0.0.1" || at == "localhost" {
		return ""
	}
	return at
}

func (v view) nodeName(host string) string {
	if n, ok := v.facts.Config.Node(host); ok {
		return n.NodeName()
	}
	return host
}

// plain tells whether a word means nothing else to a shell or to sed.
func plain(word string) bool {
	const safe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:@/-"
	return word != "" && word[0] != '-' && !strings.ContainsFunc(word, func(r rune) bool { return !strings.ContainsRune(safe, r) })
}

func dotted(word string) string { return strings.NewReplacer(".", `\.`, "/", `\/`).Replace(word) }
