package cluster

import (
	"strconv"
	"strings"
)

// Minor gives the minor version of an etcd, "3.5" for "3.5.21", "v3.5.21" or
// "3.5"; empty when it is no version.
func Minor(version string) string {
	parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	if len(parts) < 2 {
		return ""
	}
	for _, p := range parts[:2] {
		if _, err := strconv.ParseUint(p, 10, 16); err != nil {
			return ""
		}
	}
	return parts[0] + "." + parts[1]
}

// OldestMinor gives the oldest minor version among those that are known; empty
// when none is.
func OldestMinor(versions ...string) string {
	oldest := ""
	for _, v := range versions {
		m := Minor(v)
		if m != "" && (oldest == "" || olderMinor(m, oldest)) {
			oldest = m
		}
	}
	return oldest
}

// olderMinor compares two results of Minor.
func olderMinor(a, b string) bool {
	number := func(v string) (major, minor uint64) {
		x, y, _ := strings.Cut(v, ".")
		major, _ = strconv.ParseUint(x, 10, 16)
		minor, _ = strconv.ParseUint(y, 10, 16)
		return major, minor
	}
	amajor, aminor := number(a)
	bmajor, bminor := number(b)
	return amajor < bmajor || amajor == bmajor && aminor < bminor
}

// RecordedBy tells which minor version of etcd a db says that it belongs to:
// the cluster version, which no member was older than, or the storage version
// where that is older, as in the middle of a downgrade; empty when the db
// names neither. etcd 3.5 and older write no storage version.
func (d DB) RecordedBy() string { return OldestMinor(d.ClusterVersion, d.StorageVersion) }
