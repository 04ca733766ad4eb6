package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"

	"github.com/salvor-project/salvor/internal/measure"
)

// result is one measured run in a process of its own.
type result struct {
	Seconds float64 `json:"seconds"`
	// Note is what the run has to say of itself.
	Note string `json:"note"`
	// cpu is user and system time in seconds: what a busy machine does not
	// falsify.
	cpu float64
	// anonymous is the peak of anonymous memory in bytes, sampled.
	anonymous int64
}

// run starts this program again for one task, and watches its memory.
func run(ctx context.Context, task string, args ...string) (result, error) {
	self, err := os.Executable()
	if err != nil {
		return result{}, err
	}
	c := exec.CommandContext(ctx, self, append([]string{"-task", task}, args...)...)
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, os.Stderr
	cost, err := measure.Run(c)
	if err != nil {
		return result{}, fmt.Errorf("%s: %w", task, err)
	}
	r := result{cpu: cost.CPU.Seconds(), anonymous: cost.Anonymous}
	return r, json.Unmarshal(out.Bytes(), &r)
}

// warm reads a file once.
func warm(path string) error {
	_, err := cat(path)
	return err
}
