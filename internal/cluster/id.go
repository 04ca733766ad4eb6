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
		return fmt.Errorf("read ID %q: not a hexadecimal 64-bit number", b)
	}
	*id = ID(v)
	return nil
}
