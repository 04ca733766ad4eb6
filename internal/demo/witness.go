package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"
)

// witnessEvery is how often the witness file may lag behind.
const witnessEvery = 50 * time.Millisecond

// keepWitness notes the highest acknowledged revision outside etcd, as an API
// server's memory or metrics would.
func (w *Writer) keepWitness(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := w.writeWitness(); err != nil {
			return err
		}
		pause(ctx, witnessEvery)
	}
	return nil
}

// writeWitness replaces the witness file whole.
func (w *Writer) writeWitness() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	b, err := json.Marshal(map[string]any{"revision": w.stats.MaxRevision, "at": w.stats.LastAck.UTC()})
	if err != nil {
		return fmt.Errorf("write witness: %w", err)
	}
	next := w.witness + ".next"
	if err := os.WriteFile(next, append(b, '\n'), 0o600); err != nil {
		return fmt.Errorf("write witness: %w", err)
	}
	if err := os.Rename(next, w.witness); err != nil {
		return fmt.Errorf("write witness: %w", err)
	}
	return nil
}
