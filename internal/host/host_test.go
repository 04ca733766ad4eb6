package host_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/salvor-project/salvor/internal/host"
	"github.com/salvor-project/salvor/internal/host/hosttest"
)

// TestMain makes the test binary the salvor of the child processes.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "host":
			if err := hosttest.Command().Main(context.Background(), os.Args[1:]); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			os.Exit(0)
		case "coordinator":
			coordinate(os.Args[2])
		}
	}
	os.Exit(m.Run())
}

func TestLocal(t *testing.T) {
	hosttest.Run(t, func(*testing.T) host.Transport { return host.Local{Run: hosttest.Command().Run} })
}

func TestChild(t *testing.T) {
	hosttest.Run(t, func(*testing.T) host.Transport { return host.Child{} })
}
