// Package diagnose turns facts into a diagnosis. It is pure: the same facts
// give the same diagnosis, byte for byte, and a fact that could not be read
// never counts as healthy.
package diagnose
