package observe

import (
	"regexp"
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
		// a pod's environment: name and value on two lines
		`(?i)(name:\s*"?[A-Za-z0-9_.-]*(?:password|passwd|token|secret|key|credential)[A-Za-z0-9_.-]*"?\s*\n\s*value:\s*)[^\n]+`,
	} {
		out = append(out, regexp.MustCompile(form))
	}
	return out
}

// filePaths are values that merely name a file: --service-account-key-file=/…
// is no secret, and decides diagnoses.
func isPath(value []byte) bool { return len(value) > 0 && value[0] == '/' }

// Redact cuts keys, tokens and passwords out of a text. Paths of files that
// hold them stay.
func Redact(b []byte) []byte {
	for _, r := range secrets() {
		b = r.ReplaceAllFunc(b, func(hit []byte) []byte {
			kept := r.FindSubmatch(hit)[1]
			if isPath(hit[len(kept):]) {
				return hit
			}
			return append(append([]byte{}, kept...), cut...)
		})
	}
	return b
}
