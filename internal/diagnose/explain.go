package diagnose

import (
	"strings"

	"github.com/salvor-project/salvor/internal/say"
)

// Codes gives every code in the order of the table.
func Codes() []Code {
	var out []Code
	for _, r := range rules() {
		out = append(out, r.code)
	}
	return out
}

// Explain gives the page of one class in Markdown; false when there is no such
// class.
func Explain(code Code, lang say.Language) (string, bool) {
	all := rules()
	for _, r := range all {
		if r.code == code {
			var b strings.Builder
			r.page(&b, all, lang)
			return b.String(), true
		}
	}
	return "", false
}

// Pages gives the whole table in Markdown: docs/FAILURES.md and its Chinese
// sister.
func Pages(lang say.Language) string {
	var b strings.Builder
	b.WriteString("# " + say.New("page.title").In(lang) + "\n\n" + say.New("page.about").In(lang) + "\n")
	all := rules()
	for _, r := range all {
		b.WriteString("\n")
		r.page(&b, all, lang)
	}
	return b.String()
}

func (r rule) page(b *strings.Builder, all []rule, lang say.Language) {
	word := func(key string) string { return say.New(key).In(lang) }
	item := func(head, text string) {
		if text != "" {
			b.WriteString("- **" + head + "**: " + text + "\n")
		}
	}
	b.WriteString("## `" + string(r.code) + "` " + word("title."+string(r.code)) + "\n\n")
	item(word("page.severity"), word("severity."+string(r.severity)))
	item(word("page.shows"), quoted(r.messages))
	var needs []string
	for _, n := range r.needs {
		needs = append(needs, word("need."+string(n)))
	}
	item(word("page.decides"), strings.Join(needs, "; "))
	item(word("page.repair"), word("repair."+string(r.code)))
	item(word("page.wrong"), word("wrong."+string(r.code)))
	item(word("page.caused"), codeList(r.causes))
	var explains []Code
	for _, o := range all {
		for _, c := range o.causes {
			if c == r.code {
				explains = append(explains, o.code)
			}
		}
	}
	item(word("page.causes"), codeList(explains))
	item(word("page.versions"), r.versions)
	item(word("page.references"), strings.Join(r.references, ", "))
}

func quoted(list []string) string {
	var out []string
	for _, s := range list {
		out = append(out, "`"+strings.ReplaceAll(s, "`", "'")+"`")
	}
	return strings.Join(out, " · ")
}

func codeList(codes []Code) string {
	var out []string
	for _, c := range codes {
		out = append(out, "`"+string(c)+"`")
	}
	return strings.Join(out, ", ")
}

// NeedsOf gives the facts without which a class cannot be judged.
func NeedsOf(code Code) []Need {
	for _, r := range rules() {
		if r.code == code {
			return r.needs
		}
	}
	return nil
}
