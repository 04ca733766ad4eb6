package report

import (
	"strings"
	"unicode"
)

// columns counts terminal columns: East Asian wide characters take two.
func columns(s string) int {
	n := 0
	for _, r := range s {
		n += runeColumns(r)
	}
	return n
}

// wide are the ranges of Unicode's East Asian Width W and F (UAX #11) that
// matter here: CJK letters, punctuation and full-width forms.
func wide(r rune) bool {
	return r >= 0x1100 && r <= 0x115f || r >= 0x2e80 && r <= 0x303e || r >= 0x3041 && r <= 0xa4cf ||
		r >= 0xac00 && r <= 0xd7a3 || r >= 0xf900 && r <= 0xfaff || r >= 0xfe30 && r <= 0xfe4f ||
		r >= 0xff00 && r <= 0xff60 || r >= 0xffe0 && r <= 0xffe6 || r >= 0x20000 && r <= 0x3fffd
}

func runeColumns(r rune) int {
	switch {
	case unicode.Is(unicode.Mn, r):
		return 0
	case wide(r):
		return 2
	}
	return 1
}

// closing must not begin a line.
const closing = "，。；：、！？）》」』”’…"

// opening must not end a line.
const opening = "（《「『“‘"

// wrap breaks a text into lines of at most width columns, at spaces and
// between Chinese characters. A word that is longer than a line stays whole: a
// path that was broken cannot be copied.
func wrap(text string, width int) []string {
	var lines []string
	line, used := "", 0
	flush := func() {
		lines = append(lines, strings.TrimRight(line, " "))
		line, used = "", 0
	}
	for _, a := range atoms(text) {
		n := columns(a)
		if used > 0 && used+columns(strings.TrimRight(a, " ")) > width {
			flush()
		}
		if used == 0 {
			a = strings.TrimLeft(a, " ")
			n = columns(a)
		}
		line += a
		used += n
	}
	if line != "" || len(lines) == 0 {
		flush()
	}
	return lines
}

// atoms cuts a text into pieces that stay together.
func atoms(text string) []string {
	var out []string
	var piece []rune
	for _, r := range oneLine(text) {
		if len(piece) > 0 && mayBreak(piece[len(piece)-1], r) {
			out = append(out, string(piece))
			piece = piece[:0]
		}
		piece = append(piece, r)
	}
	if len(piece) > 0 {
		out = append(out, string(piece))
	}
	return out
}

func mayBreak(a, b rune) bool {
	switch {
	case b == ' ', strings.ContainsRune(closing, b), strings.ContainsRune(opening, a):
		return false
	case a == ' ':
		return true
	}
	return wide(a) || wide(b)
}

// oneLine makes control characters of foreign text (an error of etcd, a file
// name) harmless: they can neither break a table nor steer the terminal.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\t', r == '\r':
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r):
			return '�'
		}
		return r
	}, s)
	return s
}

func padRight(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-columns(s)))
}
