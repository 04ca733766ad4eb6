package supervise

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
)

// KubeletUnit says how the node's kubelet stands with systemd: "active",
// "activating" (also one that dies and is started again and again), "inactive",
// "failed"; empty where there is no systemd or no such unit.
func KubeletUnit(ctx context.Context, n cluster.Node) (string, error) {
	u, err := show(ctx, n.Unit())
	switch {
	case errors.Is(err, exec.ErrNotFound) || err != nil && !hasSystemd():
		return "", nil
	case err != nil:
		return "", fmt.Errorf("ask for the kubelet: %w", err)
	case u.load == "not-found":
		return "", nil
	}
	return u.active, nil
}

// StopKubelet stops the node's kubelet. Its pods run on; no other begins.
func StopKubelet(ctx context.Context, n cluster.Node) error {
	if err := stopUnit(ctx, n.Unit(), 20*time.Second); err != nil {
		return fmt.Errorf("stop kubelet: %w", err)
	}
	return nil
}

// ReloadUnits has systemd read its units anew; without systemd it does nothing.
func ReloadUnits(ctx context.Context) error {
	if !hasSystemd() {
		return nil
	}
	return systemctl(ctx, "daemon-reload")
}

// hasSystemd as sd_booted(3).
func hasSystemd() bool { return exists("/run/systemd/system") }
