package cron_test

import (
	"strings"
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/cron"
)

func at(t *testing.T, text string) time.Time {
	t.Helper()
	v, err := time.Parse("2006-01-02 15:04:05", text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestNextAndLast(t *testing.T) {
	for _, c := range []struct{ schedule, now, next, last string }{
		{"0 * * * *", "2026-03-01 10:00:00", "2026-03-01 11:00:00", "2026-03-01 10:00:00"},
		{"*/20 * * * *", "2026-03-01 10:05:30", "2026-03-01 10:20:00", "2026-03-01 10:00:00"},
		{"30 2 * * *", "2026-02-28 02:30:00", "2026-03-01 02:30:00", "2026-02-28 02:30:00"},
		{"0 0 29 2 *", "2026-01-01 00:00:00", "2028-02-29 00:00:00", ""},
		{"0 3 * * sun", "2026-03-02 00:00:00", "2026-03-08 03:00:00", "2026-03-01 03:00:00"},
		{"0 3 * * 7", "2026-03-02 00:00:00", "2026-03-08 03:00:00", "2026-03-01 03:00:00"},
		{"0 3 13 * fri", "2026-03-01 00:00:00", "2026-03-06 03:00:00", "2026-02-27 03:00:00"}, // either is enough
		{"5,10-12 1 1 jan,Jul *", "2026-03-01 00:00:00", "2026-07-01 01:05:00", "2026-01-01 01:12:00"},
		{"@daily", "2026-12-31 23:59:59", "2027-01-01 00:00:00", "2026-12-31 00:00:00"},
		{"10/20 * * * *", "2026-03-01 10:31:00", "2026-03-01 10:50:00", "2026-03-01 10:30:00"},
	} {
		s, err := cron.Parse(c.schedule)
		if err != nil {
			t.Errorf("%s: %v", c.schedule, err)
			continue
		}
		if got := s.Next(at(t, c.now)); !got.Equal(at(t, c.next)) {
			t.Errorf("%s after %s: next %s, want %s", c.schedule, c.now, got, c.next)
		}
		got, want := s.Last(at(t, c.now)), time.Time{}
		if c.last != "" {
			want = at(t, c.last)
		}
		if !got.Equal(want) {
			t.Errorf("%s at %s: last %s, want %s", c.schedule, c.now, got, want)
		}
	}
}

func TestWhatIsNoSchedule(t *testing.T) {
	for text, want := range map[string]string{
		"": "five are needed", "* * * *": "five are needed", "60 * * * *": "minute: 60", "* 24 * * *": "hour: 24", "* * 0 * *": "day: 0",
		"x * * * *": "no number", "*/0 * * * *": "no step", "5-1 * * * *": "backwards", "0 0 30 2 *": "no such day", "@never": "five are needed",
	} {
		if _, err := cron.Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want an error about %q", text, err, want)
		}
	}
}
