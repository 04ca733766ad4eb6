// Package cron reads cron expressions of five fields and tells when they are
// due. It knows no clock: the time comes in.
package cron

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Schedule is when something is due, to the minute, in UTC.
type Schedule struct {
	minute, hour, day, month, weekday uint64 // one bit per value
	anyDay, anyWeekday                bool
}

// Parse reads "MINUTE HOUR DAY MONTH WEEKDAY" as crontab(5) has it: numbers,
// *, lists, ranges, steps, names of months and weekdays, and @hourly, @daily,
// @weekly, @monthly. If day and weekday are both given, either is enough.
func Parse(text string) (Schedule, error) {
	var s Schedule
	switch text {
	case "@hourly":
		text = "0 * * * *"
	case "@daily", "@midnight":
		text = "0 0 * * *"
	case "@weekly":
		text = "0 0 * * 0"
	case "@monthly":
		text = "0 0 1 * *"
	}
	fields := strings.Fields(text)
	if len(fields) != 5 {
		return s, fmt.Errorf("read schedule %q: it has %d fields, and five are needed: minute hour day month weekday", text, len(fields))
	}
	for i, f := range []struct {
		name     string
		low, top int
		names    string
		into     *uint64
	}{
		{"minute", 0, 59, "", &s.minute}, {"hour", 0, 23, "", &s.hour}, {"day", 1, 31, "", &s.day},
		{"month", 1, 12, "jan feb mar apr may jun jul aug sep oct nov dec", &s.month},
		{"weekday", 0, 7, "sun mon tue wed thu fri sat", &s.weekday},
	} {
		bits, err := parseField(fields[i], f.low, f.top, strings.Fields(f.names))
		if err != nil {
			return s, fmt.Errorf("read schedule %q: %s: %w", text, f.name, err)
		}
		*f.into = bits
	}
	s.weekday |= s.weekday >> 7 & 1 // 7 is Sunday too
	s.anyDay, s.anyWeekday = strings.HasPrefix(fields[2], "*"), strings.HasPrefix(fields[4], "*")
	if s.Next(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return s, fmt.Errorf("read schedule %q: no such day ever comes", text)
	}
	return s, nil
}

func parseField(text string, low, top int, names []string) (uint64, error) {
	var bits uint64
	for _, part := range strings.Split(text, ",") {
		span, stepText, stepped := strings.Cut(part, "/")
		step := 1
		if stepped {
			var err error
			if step, err = strconv.Atoi(stepText); err != nil || step < 1 || step > top {
				return 0, fmt.Errorf("%q is no step", stepText)
			}
		}
		from, to := low, top
		if span != "*" {
			first, last, isRange := strings.Cut(span, "-")
			var err error
			if from, err = value(first, low, top, names); err != nil {
				return 0, err
			}
			switch {
			case isRange:
				if to, err = value(last, low, top, names); err != nil {
					return 0, err
				}
			case !stepped:
				to = from
			}
		}
		if from > to {
			return 0, fmt.Errorf("the range %q goes backwards", span)
		}
		for v := from; v <= to; v += step {
			bits |= 1 << v
		}
	}
	return bits, nil
}

func value(text string, low, top int, names []string) (int, error) {
	for i, n := range names {
		if strings.EqualFold(text, n) {
			return low + i, nil
		}
	}
	v, err := strconv.Atoi(text)
	if err != nil {
		return 0, fmt.Errorf("%q is no number", text)
	}
	if v < low || v > top {
		return 0, errors.New(strconv.Itoa(v) + " is not from " + strconv.Itoa(low) + " to " + strconv.Itoa(top))
	}
	return v, nil
}

// Next gives the first due minute after t; zero if none comes in nine years,
// the longest that a 29th of February can be away.
func (s Schedule) Next(t time.Time) time.Time {
	t = t.UTC().Truncate(time.Minute).Add(time.Minute)
	for end := t.AddDate(9, 0, 0); t.Before(end); {
		switch {
		case s.month>>t.Month()&1 == 0:
			t = time.Date(t.Year(), t.Month()+1, 1, 0, 0, 0, 0, time.UTC)
		case !s.isDay(t):
			t = time.Date(t.Year(), t.Month(), t.Day()+1, 0, 0, 0, 0, time.UTC)
		case s.hour>>t.Hour()&1 == 0:
			t = t.Truncate(time.Hour).Add(time.Hour)
		case s.minute>>t.Minute()&1 == 0:
			t = t.Add(time.Minute)
		default:
			return t
		}
	}
	return time.Time{}
}

func (s Schedule) isDay(t time.Time) bool {
	day, weekday := s.day>>t.Day()&1 == 1, s.weekday>>t.Weekday()&1 == 1
	if s.anyDay || s.anyWeekday {
		return day && weekday
	}
	return day || weekday
}

// Last gives the last due minute that is not after t, as far as a year back;
// zero if there is none.
func (s Schedule) Last(t time.Time) time.Time {
	for _, back := range []time.Duration{time.Hour, 25 * time.Hour, 8 * 24 * time.Hour, 32 * 24 * time.Hour, 367 * 24 * time.Hour} {
		var last time.Time
		for at := s.Next(t.Add(-back)); !at.IsZero() && !at.After(t); at = s.Next(at) {
			last = at
		}
		if !last.IsZero() {
			return last
		}
	}
	return time.Time{}
}
