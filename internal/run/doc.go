// Package run carries a plan out. It is the only package that changes
// machines: one typed action at a time, each written to the journal (fsynced,
// and mirrored to every host that the plan touches) before and after, each
// asked first whether its effect is already there. That is why a run can be
// killed anywhere and resumed, also from a mirror.
package run
