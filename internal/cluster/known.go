package cluster

import "fmt"

// Known is one fact that may be missing. A fact that could not be read is
// never the same as a fact that is false: OK tells them apart, and Why says
// what stood in the way.
type Known[T any] struct {
	Value T      `json:"value"`
	OK    bool   `json:"ok"`
	Why   string `json:"why,omitempty"`
}

// Is makes a fact that was read.
func Is[T any](v T) Known[T] { return Known[T]{Value: v, OK: true} }

// Unknown makes a fact that could not be read; why is a short English phrase
// with the cause ("connection refused", "permission denied").
func Unknown[T any](format string, args ...any) Known[T] {
	return Known[T]{Why: fmt.Sprintf(format, args...)}
}

// From turns the usual (value, error) pair into a fact.
func From[T any](v T, err error) Known[T] {
	if err != nil {
		return Known[T]{Why: err.Error()}
	}
	return Is(v)
}

// CutOff is the reason of a fact whose probe was ended before it had an answer,
// because the look as a whole had no more time. It says nothing of what was asked.
const CutOff = "the time of this look was over before it answered; give more with --budget"
