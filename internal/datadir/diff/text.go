package diff

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// Text writes a comparison for people, change by change as they come. The zero
// value is not usable; call NewText.
type Text struct {
	w        io.Writer
	resource string
	begun    bool
}

// NewText makes a writer to w.
func NewText(w io.Writer) *Text { return &Text{w: w} }

// Change writes one line, and a heading before the first of a resource.
func (t *Text) Change(c Change) error {
	resource := c.Resource
	if resource == "" {
		resource = Other
	}
	if !t.begun || resource != t.resource {
		t.begun, t.resource = true, resource
		if _, err := fmt.Fprintf(t.w, "%s\n", resource); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(t.w, "  %s %-48s %s\n", sign(c.Kind), c.label(), c.detail())
	return err
}

func sign(k Kind) string {
	switch k {
	case Created:
		return "+"
	case Deleted:
		return "-"
	}
	return "~"
}

// label names the object within its resource.
func (c Change) label() string {
	switch {
	case c.Resource == "":
		return printable(c.Key)
	case c.Namespace == "":
		return printable(c.Name)
	}
	return printable(c.Namespace + "/" + c.Name)
}

// printable keeps control bytes of a key away from a terminal.
func printable(s string) string {
	q := strconv.Quote(s)
	if q[1:len(q)-1] == s {
		return s
	}
	return q
}

// detail tells revisions and times.
func (c Change) detail() string {
	var parts []string
	switch {
	case c.A == nil:
		parts = append(parts, fmt.Sprintf("revision %d", c.B.ModRevision))
	case c.B == nil:
		parts = append(parts, fmt.Sprintf("revision %d", c.A.ModRevision))
	default:
		parts = append(parts, fmt.Sprintf("revision %d -> %d", c.A.ModRevision, c.B.ModRevision))
		if c.A.CreateRevision != c.B.CreateRevision {
			parts = append(parts, "created anew")
		}
		if c.A.Lease != c.B.Lease {
			parts = append(parts, "another lease")
		}
	}
	for _, v := range []*Version{c.B, c.A} {
		if v == nil {
			continue
		}
		switch {
		case v.Unreadable != "":
			parts = append(parts, "unreadable")
		case v.Encrypted != "":
			parts = append(parts, "encrypted ("+v.Encrypted+")")
		case !v.Created.IsZero():
			parts = append(parts, "created "+v.Created.Format(time.RFC3339))
		}
		break
	}
	return strings.Join(parts, ", ")
}

// Summary writes the counts.
func (t *Text) Summary(s Summary) error {
	var b strings.Builder
	fmt.Fprintf(&b, "A: %s at revision %d, %d keys\nB: %s at revision %d, %d keys\n", s.A.Path, s.A.Revision, s.KeysA, s.B.Path, s.B.Revision, s.KeysB)
	if len(s.Resources) > 0 {
		fmt.Fprintf(&b, "\n  %-44s %9s %9s %9s\n", "RESOURCE", "CREATED", "CHANGED", "DELETED")
		for _, n := range s.Resources {
			fmt.Fprintf(&b, "  %-44s %9d %9d %9d\n", n.Resource, n.Created, n.Changed, n.Deleted)
		}
	}
	fmt.Fprintf(&b, "\nB has %d keys that A has not, lacks %d that A has, and differs in %d; %d are the same", s.Created, s.Deleted, s.Changed, s.Same)
	if s.Rewritten > 0 {
		fmt.Fprintf(&b, " (%d of them written again with the same value)", s.Rewritten)
	}
	b.WriteString(".\n")
	_, err := io.WriteString(t.w, b.String())
	return err
}

// JSON writes a comparison as one JSON object: its kind, the changes as they
// come, and the summary. The zero value is not usable; call NewJSON.
type JSON struct {
	w     io.Writer
	begun bool
}

// NewJSON makes a writer to w.
func NewJSON(w io.Writer) *JSON { return &JSON{w: w} }

// Change writes one element of the list.
func (j *JSON) Change(c Change) error {
	b, err := json.Marshal(c)
	if err != nil {
		return err
	}
	if err := j.open(); err != nil {
		return err
	}
	_, err = fmt.Fprintf(j.w, "%s\n    %s", map[bool]string{true: ",", false: ""}[j.begun], b)
	j.begun = true
	return err
}

func (j *JSON) open() error {
	if j.begun {
		return nil
	}
	_, err := io.WriteString(j.w, "{\n  \"kind\": \"SnapshotDiff\",\n  \"changes\": [")
	return err
}

// Summary ends the object.
func (j *JSON) Summary(s Summary) error {
	if err := j.open(); err != nil {
		return err
	}
	b, err := json.MarshalIndent(s, "  ", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(j.w, "\n  ],\n  \"summary\": %s\n}\n", b)
	return err
}
