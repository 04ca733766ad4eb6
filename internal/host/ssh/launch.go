package ssh

import (
	"errors"
	"fmt"
	"strings"
)

// launcher is all that a machine's login shell is ever given to run. It reads
// the words of a command line from standard input, each on a line behind a
// "+", up to a line without one; says that it begins, and under which process;
// and becomes the command. POSIX has read take no byte beyond the line, so
// that what follows is the command's.
//
// It is one line of one word in single quotes without "!" and "\", which sh,
// bash, zsh, ksh, fish, csh and tcsh all read alike.
const launcher = `exec /bin/sh -c 'while IFS= read -r a; do case $a in +*) set -- "$@" "${a#+}";; *) break;; esac; done; echo "` + begins + `$$"; exec "$@"'`

// begins is what the launcher says before the process's number. What a login
// shell's own files print stands before it and is left out.
const begins = "salvor-begins "

// maxNoise bounds what may stand before the launcher's word, in bytes.
const maxNoise = 64 << 10

// words encodes a command line for the launcher.
func words(args []string) ([]byte, error) {
	var b strings.Builder
	for _, a := range args {
		if strings.ContainsAny(a, "\n\x00") {
			return nil, fmt.Errorf("the argument %q holds a line break or a zero byte, which cannot travel", a)
		}
		b.WriteString("+" + a + "\n")
	}
	if len(args) == 0 {
		return nil, errors.New("there is no command to run")
	}
	b.WriteString(".\n")
	return []byte(b.String()), nil
}

// privileged gives the command line that runs args with the rights of root.
func (o Options) privileged(args ...string) []string {
	if !o.Sudo {
		return args
	}
	return append([]string{"sudo", "-n", "--"}, args...)
}
