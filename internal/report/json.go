package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
)

// JSON writes a document as docs/JSON.md describes it: one indented object
// whose first field is its kind, followed by the fields of doc, which must
// become a JSON object and have no field "kind" of its own.
func JSON(w io.Writer, kind string, doc any) error {
	b, err := json.Marshal(doc)
	if err != nil {
		return fmt.Errorf("write %s: %w", kind, err)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(b, &fields); err != nil || fields == nil {
		return fmt.Errorf("write %s: %T does not become a JSON object", kind, doc)
	}
	if _, twice := fields["kind"]; twice {
		return fmt.Errorf("write %s: %T has a field kind of its own", kind, doc)
	}
	head, err := json.Marshal(map[string]string{"kind": kind})
	if err != nil {
		return fmt.Errorf("write %s: %w", kind, err)
	}
	if len(fields) > 0 {
		head = append(head[:len(head)-1], ',')
		head = append(head, b[1:]...)
	}
	var out bytes.Buffer
	if err := json.Indent(&out, head, "", "  "); err != nil {
		return fmt.Errorf("write %s: %w", kind, err)
	}
	out.WriteByte('\n')
	if _, err := out.WriteTo(w); err != nil {
		return fmt.Errorf("write %s: %w", kind, err)
	}
	return nil
}
