package config

import (
	"path/filepath"
	"strings"
)

// serviceLines gives the assignments of a unit file's [Service] section, with
// continued lines joined and comments left out (systemd.syntax(7)).
func serviceLines(text string) [][2]string {
	var out [][2]string
	section, pending := "", ""
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		trimmed := strings.TrimSpace(line)
		if strings.HasPrefix(trimmed, "#") || strings.HasPrefix(trimmed, ";") {
			continue // also in the middle of a continued line
		}
		if rest, more := strings.CutSuffix(line, `\`); more {
			pending += rest + " "
			continue
		}
		trimmed = strings.TrimSpace(pending + line)
		pending = ""
		if strings.HasPrefix(trimmed, "[") {
			section = trimmed
			continue
		}
		if key, value, ok := strings.Cut(trimmed, "="); ok && section == "[Service]" {
			out = append(out, [2]string{strings.TrimSpace(key), strings.TrimSpace(value)})
		}
	}
	return out
}

// specifiers replaces the ones that etcd's units use (systemd.unit(5)).
func specifiers(name, hostname string) *strings.Replacer {
	full := strings.TrimSuffix(name, ".service")
	prefix, instance, _ := strings.Cut(full, "@")
	short, _, _ := strings.Cut(hostname, ".")
	return strings.NewReplacer("%%", "%", "%n", name, "%N", full, "%p", prefix, "%P", prefix, "%i", instance, "%I", instance,
		"%H", hostname, "%l", short, "%t", "/run", "%S", "/var/lib", "%L", "/var/log", "%E", "/etc")
}

// words splits as systemd and a POSIX shell do: at blanks, with quotes and
// backslashes.
func words(s string) []string {
	var out []string
	var word strings.Builder
	quote, inWord := byte(0), false
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\' && quote != '\'' && i+1 < len(s):
			i++
			word.WriteByte(s[i])
			inWord = true
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote, inWord = c, true
		case quote == 0 && (c == ' ' || c == '\t' || c == '\n'):
			if inWord {
				out = append(out, word.String())
			}
			word.Reset()
			inWord = false
		default:
			word.WriteByte(c)
			inWord = true
		}
	}
	if inWord {
		out = append(out, word.String())
	}
	return out
}

// envFile reads NAME=VALUE lines (systemd.exec(5), EnvironmentFile=).
func envFile(text string) []string {
	var out []string
	pending := ""
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		trimmed := strings.TrimSpace(line)
		if pending == "" && (trimmed == "" || trimmed[0] == '#' || trimmed[0] == ';') {
			continue
		}
		if rest, more := strings.CutSuffix(line, `\`); more {
			pending += rest
			continue
		}
		name, value, ok := strings.Cut(pending+line, "=")
		pending = ""
		if name = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(name), "export ")); ok && name != "" {
			out = append(out, name+"="+unquote(strings.TrimSpace(value)))
		}
	}
	return out
}

func unquote(s string) string {
	if len(s) >= 2 && (s[0] == '"' || s[0] == '\'') && s[len(s)-1] == s[0] {
		return s[1 : len(s)-1]
	}
	return s
}

// expand replaces ${NAME} within words and $NAME as a word of its own, which
// becomes as many words as its value has.
func expand(argv, env []string) []string {
	var out []string
	for i, w := range argv {
		name, alone := strings.CutPrefix(w, "$")
		if i > 0 && alone && !strings.HasPrefix(name, "{") && !strings.ContainsAny(name, "$(/= ") {
			out = append(out, words(lookup(env, name))...)
			continue
		}
		out = append(out, braces(w, env))
	}
	return out
}

func braces(w string, env []string) string {
	var b strings.Builder
	for {
		before, after, ok := strings.Cut(w, "${")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		name, rest, closed := strings.Cut(after, "}")
		if !closed {
			return b.String() + "${" + after
		}
		b.WriteString(lookup(env, name))
		w = rest
	}
}

// insideShell finds etcd in /bin/sh -c "GOMAXPROCS=2 /usr/bin/etcd --name=x",
// the form of some distributions' units; nil when there is none.
func insideShell(argv, env []string) []string {
	if len(argv) < 3 {
		return nil
	}
	switch filepath.Base(argv[0]) {
	case "sh", "bash", "dash", "ash":
	default:
		return nil
	}
	for i, a := range argv {
		if a != "-c" && a != "-lc" && a != "-ec" || i+1 >= len(argv) {
			continue
		}
		script := words(argv[i+1])
		for j, w := range script {
			if etcdName(w) {
				return expand(script[j:], env)
			}
		}
	}
	return nil
}
