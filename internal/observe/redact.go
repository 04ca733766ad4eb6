package observe

import (
	"regexp"
	"strings"
)

// cut stands where something secret was.
const cut = "«cut out»"

// secrets are the forms in which keys, tokens and passwords stand in logs,
// manifests, unit files and command lines. The first group is kept.
func secrets() []*regexp.Regexp {
	var out []*regexp.Regexp
	for _, form := range []string{
		// private keys in PEM, also one that is cut off
		`(?s)()-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\z)`,
		// JSON Web Tokens
		`()eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?`,
		// bootstrap tokens (kubeadm: id.secret)
		`(\b[a-z0-9]{6}\.)[a-z0-9]{16}\b`,
		// age identities, AWS access keys
		`()AGE-SECRET-KEY-1[0-9A-Z]+`,
		`()\b(?:AKIA|ASIA)[0-9A-Z]{16}\b`,
		// HTTP credentials
		`(?i)(authorization:\s*(?:bearer|basic)\s+)[^\s"',]+`,
		`(?i)(\bbearer\s+)[A-Za-z0-9._~+/=-]{8,}`,
		// user:password@ in a URL
		`(://[^/\s:@"']+:)[^/\s@"']+@`,
		// key-data of kubeconfigs, secrets of encryption configurations
		`(?i)((?:client-key-data|token|id-token|refresh-token|secret|password|passwd|passphrase)"?\s*:\s*"?)[^\s"',}]{4,}`,
		// NAME_TOKEN=…, --some-password=…, password …
		`(?i)([A-Za-z0-9_.-]*(?:password|passwd|passphrase|token|secret|access[_-]?key|private[_-]?key|api[_-]?key|credentials?)[A-Za-z0-9_-]*\s*=\s*"?)[^\s"']+`,
		// --some-password VALUE, also as two lines or elements of a list
		`(?im)((?:^|[\s"'])--?[a-z0-9_.-]*(?:password|passwd|passphrase|token|secret|access[_-]?key|private[_-]?key|api[_-]?key|credentials?)[a-z0-9_-]*["']?(?:\s*,\s*|\s+(?:-\s+)?)["']?)[^\s"',-][^\s"',]*`,
		// pass=… of a mount's options
		`(?i)(\bpass\s*=\s*"?)[^\s"',]+`,
		// a pod's environment in one line: JSON, JSON within JSON, flow YAML
		`(?i)("name"\s*:\s*"[^"]*(?:pass|token|secret|key|credential)[^"]*"\s*,\s*"value"\s*:\s*")(?:[^"\\]|\\.)+`,
		`(?i)(\\"name\\"\s*:\s*\\"[^"\\]*(?:pass|token|secret|key|credential)[^"\\]*\\"\s*,\s*\\"value\\"\s*:\s*\\")[^"\\]+`,
		`(?i)(name:\s*['"]?[a-z0-9_.-]*(?:pass|token|secret|key|credential)[a-z0-9_.-]*['"]?\s*,\s*value:\s*['"]?)[^\n'"},]+`,
		// a pod's environment: name and value on two lines
		`(?i)(name:\s*"?[A-Za-z0-9_.-]*(?:password|passwd|token|secret|key|credential)[A-Za-z0-9_.-]*"?\s*\n\s*value:\s*)[^\n]+`,
	} {
		out = append(out, regexp.MustCompile(form))
	}
	return out
}

// namesFile matches what stands before a value that merely names a file:
// --tls-private-key-file=/… is no secret, and decides diagnoses. A secret may
// begin with a slash, too, so the name has to say it.
var namesFile = regexp.MustCompile(`(?i)(?:file|path|dir)["']?(?:[\s:=,"'-])*$`)

func isPath(before, value []byte) bool {
	return len(value) > 0 && value[0] == '/' && namesFile.Match(before)
}

// Redact cuts keys, tokens and passwords out of a text. Paths of files that
// hold them stay.
func Redact(b []byte) []byte {
	for _, r := range secrets() {
		b = cutOut(r, b)
	}
	return b
}

// cutOut cuts out what one form finds. What stands behind a name that is none of
// a secret is looked through anew: a secret may stand in it.
func cutOut(r *regexp.Regexp, b []byte) []byte {
	var out []byte
	for rest := b; ; {
		at := r.FindSubmatchIndex(rest)
		if at == nil {
			if out == nil {
				return b
			}
			return append(out, rest...)
		}
		kept, end := at[3], at[1]
		switch value := rest[kept:end]; {
		case namesType.Match(rest[:kept]) && kept > at[0]:
			end = kept
			out = append(out, rest[:kept]...)
		case isPath(rest[at[2]:kept], value):
			out = append(out, rest[:end]...)
		default:
			out = append(append(out, rest[:kept]...), cut...)
		}
		rest = rest[end:]
	}
}

// namesType matches the name of a type of Kubernetes before an error about it,
// "failed to list *core.Secret: unable to transform key …": what follows is no
// secret, and decides diagnoses (k8s.io/client-go tools/cache: reflector.go
// prints %T).
var namesType = regexp.MustCompile(`\*[a-z][a-z0-9]*\.(?:[A-Z][A-Za-z]*)?Secret: $`)

// RedactArgs is Redact for a command line: a flag and its value may be two
// arguments.
func RedactArgs(args []string) []string {
	var out []string
	for i, a := range args {
		clean := string(Redact([]byte(a)))
		if i > 0 && strings.HasPrefix(args[i-1], "-") && !strings.Contains(args[i-1], "=") && !strings.ContainsAny(args[i-1], " \n") {
			flag := args[i-1] + " "
			if pair := string(Redact([]byte(flag + a))); strings.HasPrefix(pair, flag) && pair != flag+a {
				clean = cut
			}
		}
		out = append(out, clean)
	}
	return out
}
