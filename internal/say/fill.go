package say

import "strings"

// missing stands where a sentence wants an argument that the Text lacks.
const missing = "?"

// fill puts the arguments into a form: %s takes the next one, %[n]s the nth,
// %% is a percent sign. Unlike fmt.Sprintf it never writes a complaint into
// the sentence: surplus arguments are left out, and a missing one is a question
// mark.
func fill(form string, args []string) string {
	var out strings.Builder
	next := 0
	for {
		i := strings.IndexByte(form, '%')
		if i < 0 {
			out.WriteString(form)
			return out.String()
		}
		out.WriteString(form[:i])
		n, length := verb(form[i:])
		switch {
		case length == 0: // no verb: the sign itself
			out.WriteByte('%')
			length = 1
			if strings.HasPrefix(form[i:], "%%") {
				length = 2
			}
		case n < 0:
			out.WriteString(pick(args, next))
			next++
		default:
			out.WriteString(pick(args, n))
			next = n + 1
		}
		form = form[i+length:]
	}
}

// verb reads a verb at the beginning of s: its argument counted from 0, or -1
// for the next one, and its length, 0 when s begins with no verb.
func verb(s string) (n, length int) {
	if strings.HasPrefix(s, "%s") {
		return -1, 2
	}
	if !strings.HasPrefix(s, "%[") {
		return 0, 0
	}
	for i := 2; i < len(s) && i < 5; i++ {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			n = n*10 + int(c-'0')
		case c == ']' && i > 2 && n > 0 && strings.HasPrefix(s[i:], "]s"):
			return n - 1, i + 2
		default:
			return 0, 0
		}
	}
	return 0, 0
}

func pick(args []string, n int) string {
	if n < len(args) {
		return args[n]
	}
	return missing
}
