// Package e2e tries the finished program as an operator would: real etcd
// processes, real files, the built binary, and what it prints and exits with.
// Everything here is about surroundings that are hostile or unusual; the
// ordinary path is proven by the demo.
package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/salvor-project/salvor/internal/demo"
)

// program is the salvor binary under test: $SALVOR_E2E_PROGRAM, or built here.
var program string

// TestMain builds the program once. This binary itself is what every etcd
// member runs in.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "demo-member" {
		if err := demo.RunMember(context.Background(), os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(mainWith(m))
}

func mainWith(m *testing.M) int {
	dir, err := os.MkdirTemp("", "salvor-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	templates = filepath.Join(dir, "templates")
	if program = os.Getenv("SALVOR_E2E_PROGRAM"); program != "" {
		return m.Run()
	}
	program = filepath.Join(dir, "salvor")
	build := exec.Command("go", "build", "-o", program, "../../cmd/salvor")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build salvor: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}
