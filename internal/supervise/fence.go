package supervise

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/salvor-project/salvor/internal/durable"
)

// fenceConf is the drop-in that keeps a unit from being started. A mask would
// not do: `systemctl mask --runtime` has no effect on a unit whose file lies in
// /etc/systemd/system, and none of both is taken back without knowing whether a
// person had masked the unit before.
const fenceConf = "90-salvor-fence.conf"

// fenceRoots are where units' drop-ins may lie: the first lasts over a restart of
// the machine, the second is for a machine whose /etc cannot be written.
func fenceRoots() []string { return []string{"/etc/systemd/system", "/run/systemd/system"} }

func fencePath(root, unit string) string { return filepath.Join(root, unit+".d", fenceConf) }

// fenceText is a drop-in that asserts its own absence (systemd.unit(5),
// AssertPathExists): a start fails and names the file, whoever asks for it, and
// succeeds as soon as the file is gone, even without daemon-reload.
func fenceText(path string) string {
	return "# Salvor keeps this unit from being started in the middle of a case.\n" +
		"# `salvor resume` goes on with the case, `salvor rollback` takes it back; both\n" +
		"# remove this file. Without them: remove it, then systemctl daemon-reload.\n" +
		"[Unit]\nAssertPathExists=!" + strings.ReplaceAll(path, "%", "%%") + "\n"
}

// fenced gives the path of the drop-in that keeps a unit from being started;
// empty when none does.
func fenced(unit string) string { return fencedIn(fenceRoots(), unitName(unit)) }

func fencedIn(roots []string, unit string) string {
	for _, root := range roots {
		if path := fencePath(root, unit); exists(path) {
			return path
		}
	}
	return ""
}

// fenceUnit keeps a unit from being started by anybody, over a restart of the
// machine too. Fencing what is fenced is a success.
func fenceUnit(ctx context.Context, unit string) error {
	unit = unitName(unit)
	if fencedIn(fenceRoots(), unit) == "" {
		if err := raise(fenceRoots(), unit); err != nil {
			return err
		}
	}
	return systemctl(ctx, "daemon-reload") // it may be what an earlier attempt did not come to
}

func raise(roots []string, unit string) error {
	var why []error
	for _, root := range roots {
		path := fencePath(root, unit)
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		if err == nil {
			err = durable.WriteFile(path, []byte(fenceText(path)), 0o644)
		}
		if err == nil {
			return nil
		}
		why = append(why, err)
	}
	return fmt.Errorf("keep unit %s from being started: %w", unit, errors.Join(why...))
}

// unfenceUnit takes back what fenceUnit has done; without a fence it does
// nothing.
func unfenceUnit(ctx context.Context, unit string) error {
	unit = unitName(unit)
	had, err := lower(fenceRoots(), unit)
	if err != nil || !had {
		return err
	}
	return systemctl(ctx, "daemon-reload")
}

func lower(roots []string, unit string) (had bool, err error) {
	for _, root := range roots {
		path := fencePath(root, unit)
		if !exists(path) {
			continue
		}
		if err := os.Remove(path); err != nil {
			return had, fmt.Errorf("let unit %s be started again: %w", unit, err)
		}
		had = true
		if err := durable.SyncDir(filepath.Dir(path)); err != nil {
			return had, fmt.Errorf("let unit %s be started again: %w", unit, err)
		}
		_ = os.Remove(filepath.Dir(path)) // fails when others use it
	}
	return had, nil
}

// Fences gives the drop-ins on a machine, whose files lie below root, that keep
// units from being started.
func Fences(root string) ([]string, error) {
	out := []string{}
	for _, r := range fenceRoots() {
		found, err := filepath.Glob(fencePath(filepath.Join(root, r), "*"))
		if err != nil {
			return nil, err
		}
		for _, f := range found {
			out = append(out, filepath.Join("/", strings.TrimPrefix(f, filepath.Clean(root))))
		}
	}
	return out, nil
}
