package report

import (
	"strconv"
	"strings"
	"time"

	"github.com/salvor-project/salvor/internal/say"
)

// Options say how a text is shown.
type Options struct {
	// Lang is the language; English when empty.
	Lang say.Language
	// Colour adds ANSI colours. Every mark also is a sign and a word, so that
	// nothing is lost without them.
	Colour bool
	// Width is the terminal's width in columns; 80 when it is 0 or less.
	Width int
	// Verbose also shows evidence, and findings that another one explains.
	Verbose bool
}

const defaultWidth = 80

func (o Options) width() int {
	if o.Width <= 0 {
		return defaultWidth
	}
	return max(o.Width, 40)
}

func (o Options) chinese() bool { return o.Lang == say.Chinese }

// text renders a sentence.
func (o Options) text(t say.Text) string {
	if o.chinese() {
		return t.In(say.Chinese)
	}
	return t.In(say.English)
}

// say renders the sentence of a key.
func (o Options) say(key string, args ...any) string { return o.text(say.New(key, args...)) }

// word renders a stable word of a document ("state", "lost"). A word that the
// catalogue lacks is shown as it is.
func (o Options) word(table, word string) string {
	key := table + "." + word
	if !say.Has(key) {
		return word
	}
	return o.text(say.New(key))
}

// labelled joins a label and its value.
func (o Options) labelled(label, value string) string {
	if o.chinese() {
		return label + "：" + value
	}
	return label + ": " + value
}

// sentences joins whole sentences.
func (o Options) sentences(parts ...string) string {
	if o.chinese() {
		return strings.Join(parts, "")
	}
	return strings.Join(parts, " ")
}

// bracket puts a text in brackets.
func (o Options) bracket(text string) string {
	if o.chinese() {
		return "（" + text + "）"
	}
	return "(" + text + ")"
}

// bracketed is a remark in brackets behind a text.
func (o Options) bracketed(text string) string {
	if o.chinese() {
		return o.bracket(text)
	}
	return " " + o.bracket(text)
}

// clauses joins remarks.
func (o Options) clauses(items []string) string {
	if o.chinese() {
		return strings.Join(items, "；")
	}
	return strings.Join(items, "; ")
}

// list joins items of an enumeration.
func (o Options) list(items []string) string {
	if o.chinese() {
		return strings.Join(items, "、")
	}
	return strings.Join(items, ", ")
}

// span tells a duration as people do, with two units at most.
func (o Options) span(d time.Duration) string {
	n := func(v time.Duration) string { return strconv.FormatInt(int64(v), 10) }
	switch {
	case d < 0:
		return "-" + o.span(-d)
	case d < time.Second:
		return o.say("span.ms", n(d.Round(time.Millisecond)/time.Millisecond))
	case d < 10*time.Second:
		return o.say("span.second", strconv.FormatFloat(d.Seconds(), 'f', 1, 64))
	}
	d = d.Round(time.Second)
	const day = 24 * time.Hour
	switch {
	case d < time.Minute:
		return o.say("span.second", n(d/time.Second))
	case d < time.Hour && d%time.Minute == 0:
		return o.say("span.minutes", n(d/time.Minute))
	case d < time.Hour:
		return o.say("span.minute", n(d/time.Minute), n(d%time.Minute/time.Second))
	case d < day && d%time.Hour < time.Minute:
		return o.say("span.hours", n(d/time.Hour))
	case d < day:
		return o.say("span.hour", n(d/time.Hour), n(d%time.Hour/time.Minute))
	case d%day < time.Hour:
		return o.say("span.days", n(d/day))
	}
	return o.say("span.day", n(d/day), n(d%day/time.Hour))
}

const (
	stampForm = "2006-01-02 15:04:05 UTC"
	clockForm = "15:04:05"
)

func stamp(t time.Time) string { return t.UTC().Format(stampForm) }

// clock is a time of day; a step's day stands in the line of its run.
func clock(t time.Time) string { return t.UTC().Format(clockForm) }
