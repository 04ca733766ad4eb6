package cluster

// PressureFacts is how much of a machine's work waits for something. Each part
// is unknown by itself: kernels may be built or started without it.
type PressureFacts struct {
	CPU    Known[Pressure] `json:"cpu"`
	IO     Known[Pressure] `json:"io"`
	Memory Known[Pressure] `json:"memory"`
	// Steal is the share of the CPUs' time, in per cent, that the hypervisor
	// gave to others while Salvor looked.
	Steal Known[float64] `json:"steal"`
	// Throttled is the share of its scheduling periods, in per cent, in which
	// etcd's control group was stopped for having used up its CPU quota, since it
	// began. Zero where no quota is set; not OK where no etcd runs.
	Throttled Known[float64] `json:"throttled,omitzero"`
}

// Pressure is the kernel's own measure of waiting: the share of the last minute,
// in per cent, in which some task, or all of them at the same time, waited
// (Linux, Documentation/accounting/psi.rst).
type Pressure struct {
	Some float64 `json:"some"`
	Full float64 `json:"full"`
}
