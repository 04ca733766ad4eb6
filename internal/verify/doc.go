// Package verify holds what a recovered cluster shows against what its plan
// expects. It observes anew and changes nothing; the canary was a step of the
// plan. What cannot be observed is unknown, and an unknown never passes.
package verify
