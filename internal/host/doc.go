// Package host reaches machines. The coordinator runs "salvor host serve" on a
// machine over a Transport and speaks JSON-RPC with it (Dial, Client, Serve);
// bulk bytes travel on sessions of their own, "salvor host send" and "salvor
// host receive", so that they never pass through JSON (Relay, Fetch, Put).
// The same server code answers in this process (Local), in a child process
// (Child) and, through the same small interface, on another machine.
//
// The server's process owns what must end with the connection: the host's lock
// and the methods that run. When its standard input ends, it cancels them,
// waits until they have returned, frees the lock and exits.
package host
