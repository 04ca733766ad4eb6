// Command testreport runs a command that prints "go test -json" events and
// reports them for a CI log: failures in full, every skipped test with its
// reason, and one closing line "N passed, N failed, N skipped". It fails when
// the command fails, when a test fails, when nothing ran, and when a test was
// skipped for a reason that the skips file does not hold.
//
// Usage: testreport [-dir DIR] [-skips FILE] -- COMMAND ARG…
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

func main() {
	dir := flag.String("dir", ".", "where the command runs")
	skips := flag.String("skips", "", "file of the reasons for which a test may be skipped")
	flag.Parse()
	if err := run(*dir, *skips, flag.Args(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "testreport:", err)
		os.Exit(1)
	}
}

// run runs the command in dir and reports its events to out.
func run(dir, skips string, argv []string, out io.Writer) error {
	if len(argv) == 0 {
		return errors.New("usage: testreport [-dir DIR] [-skips FILE] -- COMMAND ARG…")
	}
	allowed, err := readSkips(skips)
	if err != nil {
		return err
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	events, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("run %s: %w", argv[0], err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("run %s: %w", argv[0], err)
	}
	r := newReport(out)
	readErr := r.read(events)
	if readErr != nil {
		// The command must not hang on a pipe that nobody reads.
		_, _ = io.Copy(io.Discard, events)
	}
	waitErr := cmd.Wait()
	closing := r.close(allowed)
	if waitErr != nil && closing == nil {
		closing = fmt.Errorf("no test failed, but %s did: %w", strings.Join(argv[:min(2, len(argv))], " "), waitErr)
	}
	return errors.Join(readErr, closing)
}

// readSkips reads one reason a line; # starts a comment line.
func readSkips(path string) ([]string, error) {
	if path == "" {
		return nil, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the allowed skips: %w", err)
	}
	defer f.Close()
	var allowed []string
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if l := strings.TrimSpace(lines.Text()); l != "" && !strings.HasPrefix(l, "#") {
			allowed = append(allowed, l)
		}
	}
	return allowed, lines.Err()
}
