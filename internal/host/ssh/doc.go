// Package ssh reaches machines over SSH: a host.Transport of the same protocol
// that the child process speaks.
//
// One connection to a machine carries all of its sessions. It is made when the
// first session starts, verified against known_hosts without exception, kept
// alive, made anew after a break, and given up a moment after its last session.
//
// What the far side is asked to run is one constant text (launch.go), in which
// nothing is ever inserted: the words of a command line travel as lines of
// standard input. So there is nothing to quote and nothing to inject, whatever
// shell the user has there, and sudo's log shows the words as they are.
//
// The binary that answers there is this one: place.go puts it there once for a
// version and checks it before it is run, every time.
package ssh
