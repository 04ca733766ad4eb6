package demo

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"
)

// TestMain lets this test binary be a member: the processes are real.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "demo-member" {
		if err := RunMember(context.Background(), os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func selfCommand(t *testing.T) []string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return []string{exe, "demo-member"}
}

func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}
