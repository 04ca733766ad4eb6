package machine

import (
	"context"
	"fmt"
	"strconv"

	"github.com/salvor-project/salvor/lab/proc"
)

// Exec runs a command inside a machine, not over its sshd but from this box,
// and gives its standard output. It works as long as the machine has power.
func Exec(ctx context.Context, m Machine, args ...string) (string, error) {
	return ExecInput(ctx, m, nil, args...)
}

// ExecInput is Exec with something on the command's standard input.
func ExecInput(ctx context.Context, m Machine, stdin []byte, args ...string) (string, error) {
	line, err := Enter(ctx, m)
	if err != nil {
		return "", err
	}
	out, err := proc.Cmd{Args: append(line, args...), Stdin: stdin}.Output(ctx)
	if err != nil {
		return string(out), fmt.Errorf("on %s: %w", m.Name, err)
	}
	return string(out), nil
}

// Enter is the beginning of a command line that runs another in a machine.
func Enter(ctx context.Context, m Machine) ([]string, error) {
	pid, err := Init(ctx, m)
	if err != nil {
		return nil, err
	}
	if pid == 0 {
		return nil, fmt.Errorf("%s is off", m.Name)
	}
	return []string{"nsenter", "--all", "--root", "--wd", "--target", strconv.Itoa(pid),
		"env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8"}, nil
}
