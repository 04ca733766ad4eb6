package report

import (
	"github.com/salvor-project/salvor/internal/diagnose"
	"github.com/salvor-project/salvor/internal/say"
)

// lossMark grades a loss.
func lossMark(l diagnose.Loss) Mark {
	switch {
	case !l.Revisions.OK:
		return MarkOpen
	case l.Revisions.Value > 0:
		return MarkBad
	case !l.Proven:
		return MarkWarn
	}
	return MarkGood
}

// lossText tells a loss in whole sentences, with what is in doubt about it.
func (o Options) lossText(l diagnose.Loss) string {
	var parts []string
	switch {
	case !l.Revisions.OK:
		parts = append(parts, o.say("loss.unknown", l.Revisions.Why))
	case l.NoneKnown() && l.Proven:
		return o.say("loss.none")
	case l.NoneKnown():
		parts = append(parts, o.say("loss.none-known"))
	case l.Objects.OK:
		parts = append(parts, o.say("loss.objects", l.Revisions.Value, l.Objects.Value))
	default:
		parts = append(parts, o.say("loss.revisions", l.Revisions.Value))
	}
	if !l.NoneKnown() && !l.Since.IsZero() {
		parts = append(parts, o.say("loss.since", stamp(l.Since)))
	}
	if l.Doubt != nil && !l.Proven {
		parts = append(parts, o.text(*l.Doubt))
	}
	return o.sentences(parts...)
}

// lossShort tells a loss in a few words, for a table.
func (o Options) lossShort(l diagnose.Loss) string {
	switch {
	case !l.Revisions.OK:
		return o.say("loss.short.what")
	case l.NoneKnown() && l.Proven:
		return o.say("loss.short.none")
	case l.NoneKnown():
		return o.say("loss.short.known")
	case l.Objects.OK:
		return o.list([]string{o.say("loss.short.revs", l.Revisions.Value), o.say("loss.short.objs", l.Objects.Value)})
	}
	return o.say("loss.short.revs", l.Revisions.Value)
}

// lossSample names lost objects, under a heading; empty when none are known.
func (o Options) lossSample(l diagnose.Loss) (heading string, lines []string) {
	for _, x := range l.Sample {
		if key := "loss." + x.Change; say.Has(key) {
			lines = append(lines, o.say(key, x.Key))
		} else {
			lines = append(lines, x.Key)
		}
	}
	if len(lines) == 0 {
		return "", nil
	}
	return o.say("loss.sample", len(lines), l.Objects.Value), lines
}
