package observe

import (
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/salvor-project/salvor/internal/cluster"
)

// staUnsync is STA_UNSYNC of adjtimex(2): nobody keeps the clock right.
const staUnsync = 0x40

// clock reads what the machine says of its own clock.
func (m machine) clock() (cluster.ClockFacts, error) {
	now := time.Now()
	c := cluster.ClockFacts{System: now.UTC(), RTC: cluster.Unknown[time.Time]("these are the files of a machine that does not run"),
		Synchronized: cluster.Unknown[bool]("these are the files of a machine that does not run")}
	if !m.real() {
		return c, nil
	}
	var t unix.Timex
	if _, err := unix.Adjtimex(&t); err != nil {
		c.Synchronized = cluster.Unknown[bool]("%v", err)
	} else {
		c.Synchronized = cluster.Is(t.Status&staUnsync == 0)
	}
	var up unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &up); err == nil {
		c.Booted = now.Add(-time.Duration(up.Nano())).UTC().Truncate(time.Second)
	}
	c.RTC = cluster.From(rtc())
	return c, nil
}

// rtc reads the hardware clock, which most machines keep in UTC.
func rtc() (time.Time, error) {
	date, err := os.ReadFile("/sys/class/rtc/rtc0/date")
	if err != nil {
		return time.Time{}, err
	}
	clock, err := os.ReadFile("/sys/class/rtc/rtc0/time")
	if err != nil {
		return time.Time{}, err
	}
	t, err := time.Parse("2006-01-02 15:04:05", strings.TrimSpace(string(date))+" "+strings.TrimSpace(string(clock)))
	if err != nil {
		return t, fmt.Errorf("read hardware clock: %w", err)
	}
	return t.UTC(), nil
}
