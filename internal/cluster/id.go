package cluster

import (
	"fmt"
	"strconv"
)

// ID is an etcd cluster or member ID. In text and JSON it is lower-case
// hexadecimal without a prefix, as etcdctl prints it: a JSON number would be
// rounded by every reader that uses float64.
type ID uint64

// String gives the hexadecimal form.
func (id ID) String() string { return strconv.FormatUint(uint64(id), 16) }

// MarshalText gives the hexadecimal form, for JSON and YAML.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads the hexadecimal form.
func (id *ID) UnmarshalText(b []byte) error {
	v, err := strconv.ParseUint(string(b), 16, 64)
	if err != nil {
		if d, derr := strconv.ParseUint(string(b), 10, 64); derr == nil {
			return fmt.Errorf("read ID %q: it is decimal, %w", b, ID(d).decimal())
		}
		return fmt.Errorf("read ID %q: not a hexadecimal 64-bit number", b)
	}
	*id = ID(v)
	return nil
}

// decimal says what a decimal number stands for, and whether it may be none.
func (id ID) decimal() error {
	if id >= 1<<53 && id%1000 == 0 {
		return fmt.Errorf("and ends as jq and others end what they round to floating point: no member may have it; take the hexadecimal one of etcdctl's table")
	}
	return fmt.Errorf("and IDs are hexadecimal: %s", id)
}

// ReadDecimalID reads an ID that was written as a decimal number, as etcdctl's
// JSON has it; false for anything else. The error says whether it is exact: one
// that ends in three zeros was almost certainly rounded by a reader of
// floating-point numbers (of exact IDs one in a thousand ends so).
func ReadDecimalID(text string) (ID, bool, error) {
	v, err := strconv.ParseUint(text, 10, 64)
	if err != nil || v < 1<<53 {
		return 0, false, nil
	}
	if id := ID(v); id%1000 == 0 {
		return id, true, id.decimal()
	}
	return ID(v), true, nil
}

// Unrounded finds among known IDs the one that a reader of floating-point numbers
// (jq, JavaScript) turns into id: 18051144144060470833 becomes
// 18051144144060471000. It is false where id itself is known, and where two fit.
func (id ID) Unrounded(known []ID) (ID, bool) {
	var found []ID
	for _, k := range known {
		if k == id {
			return 0, false
		}
		if float64(k) == float64(id) {
			found = append(found, k)
		}
	}
	if len(found) != 1 {
		return 0, false
	}
	return found[0], true
}
