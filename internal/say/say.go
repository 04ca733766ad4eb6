// Package say is the one catalogue of sentences that Salvor speaks, in English
// and Chinese. A Text names a sentence and carries its arguments, so that a
// stored diagnosis can be read in either language later. It holds no logic.
package say

import (
	"encoding/json"
	"fmt"
)

// Language is a language of the catalogue.
type Language string

// The languages of the catalogue.
const (
	English Language = "en"
	Chinese Language = "zh"
)

// ParseLanguage accepts "en" and "zh".
func ParseLanguage(s string) (Language, error) {
	switch l := Language(s); l {
	case English, Chinese:
		return l, nil
	}
	return "", fmt.Errorf("language %q is not known: use en or zh", s)
}

// Tag gives the BCP 47 tag, for HTML: it decides which glyphs are shown.
func (l Language) Tag() string {
	if l == Chinese {
		return "zh-Hans"
	}
	return "en"
}

// Text is one sentence of the catalogue with its arguments.
type Text struct {
	Key  string
	Args []string
}

// New makes a Text; the arguments are formatted with fmt.Sprint.
func New(key string, args ...any) Text {
	t := Text{Key: key}
	for _, a := range args {
		t.Args = append(t.Args, fmt.Sprint(a))
	}
	return t
}

// In renders the sentence. A key that the catalogue lacks is shown as it is,
// with its arguments, so that nothing is ever hidden.
func (t Text) In(l Language) string {
	if t.Key == "" {
		return ""
	}
	e, ok := find(t.Key)
	if !ok {
		return fmt.Sprintf("%s %q", t.Key, t.Args)
	}
	form := e.en
	if l == Chinese {
		form = e.zh
	}
	return fill(form, t.Args)
}

// String renders the sentence in English.
func (t Text) String() string { return t.In(English) }

// wire is the JSON form: the English text is there for people and scripts, the
// key and arguments for everything else.
type wire struct {
	Key  string   `json:"key"`
	Args []string `json:"args,omitempty"`
	EN   string   `json:"en"`
}

// MarshalJSON writes key, arguments and the English sentence.
func (t Text) MarshalJSON() ([]byte, error) {
	return json.Marshal(wire{Key: t.Key, Args: t.Args, EN: t.String()})
}

// UnmarshalJSON reads key and arguments; the sentence is rendered anew.
func (t *Text) UnmarshalJSON(b []byte) error {
	var w wire
	if err := json.Unmarshal(b, &w); err != nil {
		return fmt.Errorf("read a text: %w", err)
	}
	t.Key, t.Args = w.Key, w.Args
	return nil
}
