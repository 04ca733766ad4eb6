// Package e2e wrecks the lab's control plane and lets salvor bring it back, as
// an operator would: over SSH, from another machine, with the command line. Its
// tests run with SALVOR_LAB=1 and as root; see `make lab-test`.
package e2e
