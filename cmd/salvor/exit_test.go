package main

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"
)

// TestComplainOfAFullDisk: what could not be written for want of room says where
// else it may go.
func TestComplainOfAFullDisk(t *testing.T) {
	for err, want := range map[error]string{
		fmt.Errorf("write /var/x: %w", syscall.ENOSPC): "--cases FOLDER",
		fmt.Errorf("write /var/x: %w", syscall.EROFS):  "--cases FOLDER",
		fmt.Errorf("write /var/x: %w", syscall.EIO):    "",
		context.Canceled: "salvor: cancelled\n",
	} {
		var out bytes.Buffer
		(&app{err: &out}).complain(err, exitCode(err))
		if !strings.Contains(out.String(), want) || want == "" && strings.Contains(out.String(), "→") {
			t.Errorf("%v: %q, want %q", err, out.String(), want)
		}
	}
}
