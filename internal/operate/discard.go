package operate

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/salvor-project/salvor/internal/durable"
	"github.com/salvor-project/salvor/internal/plan"
)

// discardDone: what is not there has been removed.
func discardDone(a plan.Discard) (State, any, error) {
	_, err := os.Lstat(a.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Yes, nil, nil
	case err != nil:
		return Unsure, nil, err
	}
	return No, nil, nil
}

// discard removes what a finished case has left behind. A path that does not
// carry the case's name was not made by it and is never touched. Repeating it
// goes on where it stopped.
func discard(a plan.Discard) (any, error) {
	if a.Case == "" || !filepath.IsAbs(a.Path) || !strings.Contains(a.Path, a.Case) {
		return nil, fmt.Errorf("remove %q: it does not carry the name of case %q, so it is left alone", a.Path, a.Case)
	}
	if err := os.RemoveAll(a.Path); err != nil {
		return nil, fmt.Errorf("remove what case %s has left behind: %w", a.Case, err)
	}
	return nil, durable.SyncDir(filepath.Dir(a.Path))
}
