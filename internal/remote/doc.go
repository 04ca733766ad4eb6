// Package remote is what a coordinator can ask of a machine and have done
// there: the typed methods that travel over a host connection, seen from both
// sides. Asking never changes the machine; only Do does, and only run calls it.
package remote
