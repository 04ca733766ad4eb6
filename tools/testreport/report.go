package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// event is one line of "go test -json"; see "go doc test2json".
type event struct {
	Action     string
	Package    string
	ImportPath string // of a build event
	Test       string
	Elapsed    float64
	Output     string
}

// id names one test, or a package when test is empty.
type id struct{ pkg, test string }

// skip is one test that did not run.
type skip struct {
	id
	reason string
}

// report counts events and writes what a reader of the log needs.
type report struct {
	out                     io.Writer
	passed, failed, skipped int
	output                  map[id][]string
	failedTests             map[string]int // by package
	skips                   []skip
}

func newReport(out io.Writer) *report {
	return &report{out: out, output: map[id][]string{}, failedTests: map[string]int{}}
}

// read reports events until the end of the stream. A line that is no event is
// passed on as it is.
func (r *report) read(events io.Reader) error {
	lines := bufio.NewReader(events)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) == nil && e.Action != "" {
				r.event(e)
			} else {
				fmt.Fprintf(r.out, "%s\n", strings.TrimRight(string(line), "\n"))
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the test events: %w", err)
		}
	}
}

// event takes one event in.
func (r *report) event(e event) {
	at := id{e.Package, e.Test}
	switch e.Action {
	case "build-output":
		fmt.Fprint(r.out, e.Output)
	case "output":
		r.output[at] = append(r.output[at], e.Output)
	case "pass", "fail", "skip":
		if e.Test == "" {
			r.endPackage(e)
		} else {
			r.endTest(e)
		}
		delete(r.output, at)
	}
}

// endTest counts a test or subtest.
func (r *report) endTest(e event) {
	at := id{e.Package, e.Test}
	switch e.Action {
	case "pass":
		r.passed++
	case "skip":
		r.skipped++
		r.skips = append(r.skips, skip{at, reason(r.output[at])})
	case "fail":
		r.failed++
		r.failedTests[e.Package]++
		fmt.Fprint(r.out, strings.Join(r.output[at], ""))
	}
}

// endPackage prints a package's line, as go test does. A package that fails
// without a failed test (a build error, a crash, a timeout) counts as one
// failure.
func (r *report) endPackage(e event) {
	switch e.Action {
	case "pass":
		fmt.Fprintf(r.out, "ok  \t%s\t%.1fs\n", e.Package, e.Elapsed)
	case "fail":
		if r.failedTests[e.Package] == 0 {
			r.failed++
			r.unended(e.Package)
		}
		fmt.Fprint(r.out, strings.Join(r.output[id{e.Package, ""}], ""))
	}
}

// unended prints what the tests of a package said that never ended.
func (r *report) unended(pkg string) {
	for at, lines := range r.output {
		if at.pkg == pkg && at.test != "" {
			fmt.Fprint(r.out, strings.Join(lines, ""))
		}
	}
}

// logged is a line of t.Log or t.Skip: "    file_test.go:12: text".
var logged = regexp.MustCompile(`^\s+\S+\.go:\d+: (.*)`)

// reason finds the text of t.Skip: the last logged line.
func reason(output []string) string {
	for i := len(output) - 1; i >= 0; i-- {
		if m := logged.FindStringSubmatch(strings.TrimRight(output[i], "\n")); m != nil {
			return m[1]
		}
	}
	return "no reason given"
}

// close lists the skips, prints the closing line and says what is wrong.
func (r *report) close(allowed []string) error {
	var refused int
	for _, s := range r.skips {
		mark := "skipped"
		if !allows(allowed, s.reason) {
			mark = "SKIPPED, not allowed"
			refused++
		}
		fmt.Fprintf(r.out, "%s: %s %s: %s\n", mark, s.pkg, s.test, s.reason)
	}
	fmt.Fprintf(r.out, "%d passed, %d failed, %d skipped\n", r.passed, r.failed, r.skipped)
	var err error
	if r.failed > 0 {
		err = errors.New("tests failed")
	} else if r.passed == 0 {
		err = errors.New("no test ran")
	}
	if refused > 0 {
		err = errors.Join(err, fmt.Errorf("%d skipped for a reason that the skips file does not allow", refused))
	}
	return err
}

// allows tells whether reason is one of allowed, where a * at the end of an
// entry stands for any rest.
func allows(allowed []string, reason string) bool {
	for _, a := range allowed {
		prefix, open := strings.CutSuffix(a, "*")
		if reason == a || open && strings.HasPrefix(reason, prefix) {
			return true
		}
	}
	return false
}
