package diagnose

import (
	"encoding/json"
	"regexp"
	"strings"
)

// linePrefix is what stands before the words of a log line: the time and stream
// that a container runtime writes, and the header of klog
// (k8s.io/klog/v2, "Lmmdd hh:mm:ss.uuuuuu threadid file:line]").
var linePrefix = regexp.MustCompile(`^(\d{4}-\d\d-\d\dT\S+ (stdout|stderr) [FP] )?([IWEF]\d{4} [\d:.]+ +\d+ [^\]\s]+:\d+\] )?`)

// zapField finds a text field of a line of zap's JSON, also of one that was cut.
var zapField = regexp.MustCompile(`"(msg|error|err)":("(?:[^"\\]|\\.)*")`)

// words gives what a log line says, for a sentence: without times, places in the
// code and JSON. The whole line stays in the evidence.
func (s said) words() string {
	line := linePrefix.ReplaceAllString(s.sign.Sample, "")
	if !strings.HasPrefix(line, "{") {
		return line
	}
	var out []string
	for _, m := range zapField.FindAllStringSubmatch(line, -1) {
		var text string
		if json.Unmarshal([]byte(m[2]), &text) == nil && text != "" {
			out = append(out, text)
		}
	}
	if len(out) == 0 {
		return line
	}
	return strings.Join(out, ": ")
}
