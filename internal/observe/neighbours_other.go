//go:build !linux

package observe

import (
	"errors"

	"github.com/salvor-project/salvor/internal/cluster"
)

func neighbourTable() ([]cluster.Neighbour, error) {
	return nil, errors.New("the neighbour table is read on Linux only")
}
