package cluster

import "time"

// Run is a service or a container of the control plane, as who starts it keeps
// it: how often it was started, and how its last finished run ended.
type Run struct {
	// Component is the program: "etcd", "kube-apiserver", "kubelet", "haproxy".
	Component string `json:"component"`
	// Member is the configured member that it runs, empty for others.
	Member string `json:"member,omitempty"`
	// Source is "systemd:UNIT" or "cri:POD".
	Source string `json:"source"`
	// State is systemd's ActiveState and SubState ("active/running",
	// "activating/auto-restart"), or "running" or "exited" of a container.
	State string `json:"state"`
	// Boot is systemd's UnitFileState ("enabled", "disabled", "static", …): whether
	// it starts with the machine. Empty for a container.
	Boot string `json:"boot,omitempty"`
	// Restarts is how often it was started again: systemd's count since somebody
	// last started it by hand, the kubelet's attempts of the pod's life.
	Restarts int `json:"restarts"`
	// Last is how the newest finished run ended. It is zero, without a reason,
	// where none has ended; systemd forgets it when the next run begins.
	Last Known[RunEnd] `json:"last,omitzero"`
}

// RunEnd is how a process ended.
type RunEnd struct {
	// Exit is its exit code; 128 plus the signal's number where a signal ended
	// it, as shells and container runtimes count. Go's programs end with 1 when
	// they give up by themselves and with 2 in a panic.
	Exit int `json:"exit"`
	// Signal is the signal that ended it, 0 for none. A container runtime does
	// not tell one from an exit code above 128.
	Signal int `json:"signal,omitempty"`
	// Reason is systemd's Result ("exit-code", "signal", "oom-kill", "watchdog")
	// or the runtime's ("Error", "OOMKilled", "Completed").
	Reason string `json:"reason,omitempty"`
	// Started and Ended are by the machine's own clock; Seconds is how long it
	// ran, which a clock that was set in between does not change under systemd.
	Started time.Time `json:"started,omitzero"`
	Ended   time.Time `json:"ended,omitzero"`
	Seconds float64   `json:"seconds"`
}

// The reasons that stand for an end by the kernel for want of memory: one that
// systemd heard of, and one that a container runtime did. Both mean that a
// process of the unit's or container's own control group was killed.
const (
	ResultOOM = "oom-kill"
	ReasonOOM = "OOMKilled"
)

// OutOfMemory tells that who started the process knows that the kernel killed in
// its control group for want of memory.
func (e RunEnd) OutOfMemory() bool { return e.Reason == ResultOOM || e.Reason == ReasonOOM }

// Killed tells that SIGKILL ended it, whoever sent it.
func (e RunEnd) Killed() bool { return e.Signal == 9 || e.Signal == 0 && e.Exit == 137 }
