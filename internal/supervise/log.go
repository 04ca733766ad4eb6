package supervise

import (
	"encoding/json"
	"io"
	"os"
	"strings"
)

// tail reads what a log has got since offset, at most its last 64 KiB.
func tail(path string, offset int64) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return ""
	}
	offset = max(offset, info.Size()-64<<10)
	b, err := io.ReadAll(io.NewSectionReader(f, offset, info.Size()-offset))
	if err != nil {
		return ""
	}
	return string(b)
}

// lastWords picks the line that says why etcd died: the last one that is fatal
// or a panic, else the last error, else the last line.
func lastWords(log string) string {
	var fatal, errors, last string
	for line := range strings.Lines(log) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		text, level := reading(line)
		last = text
		switch level {
		case "fatal", "panic", "dpanic":
			fatal = text
		case "error":
			errors = text
		}
	}
	for _, s := range []string{fatal, errors, last} {
		if s != "" {
			return cut(s, 600)
		}
	}
	return ""
}

// reading gives a line's text and level. etcd writes JSON objects; Go itself
// and programs that refuse their flags write plain lines.
func reading(line string) (text, level string) {
	var entry struct {
		Level, Msg, Error string
	}
	if strings.HasPrefix(line, "{") && json.Unmarshal([]byte(line), &entry) == nil && entry.Msg != "" {
		text = entry.Msg
		if entry.Error != "" {
			text += ": " + entry.Error
		}
		return text, strings.ToLower(entry.Level)
	}
	lower := strings.ToLower(line)
	for _, level := range []string{"panic", "fatal", "error"} {
		if strings.HasPrefix(lower, level+":") || strings.Contains(lower, "\t"+level+"\t") {
			return line, level
		}
	}
	return line, ""
}

func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
