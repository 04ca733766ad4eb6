// Command salvor brings a wrecked Kubernetes control plane home.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// version is set by the build; see the Makefile.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := execute(ctx, &app{in: os.Stdin, out: os.Stdout, err: os.Stderr, version: version}, os.Args[1:])
	stop()
	os.Exit(code)
}
