package demo

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// Result is what came back, measured against the ledger.
type Result struct {
	Keys         int
	Acknowledged int
	// Lost counts acknowledged writes that are not there: the key is gone, is
	// in an older state, or holds something that the writer never wrote. It
	// includes those that the writer met itself (Record.Lost).
	Lost int
	// Mismatched counts keys whose content the writer never wrote.
	Mismatched int
	// Unconfirmed counts keys whose last write was never acknowledged and is
	// there nevertheless, which is legitimate.
	Unconfirmed int
	// Losses are the keys that lost something, in order, at most MaxLosses.
	Losses []Loss
}

// MaxLosses bounds Result.Losses.
const MaxLosses = 100

// Loss is one key that is not as it was acknowledged.
type Loss struct {
	Key    string
	Writes int
	Found  string // "absent", "older" or "foreign"
}

// Compare reads every key of the ledger (linearizable) and judges it. Values
// count, not revisions: a restored cluster may have moved those. Pause or stop
// the writer first; what it writes meanwhile would be misjudged.
func Compare(ctx context.Context, client *clientv3.Client, ledgerPath string) (Result, error) {
	record, err := ReadLedger(ledgerPath)
	if err != nil {
		return Result{}, err
	}
	r := Result{Keys: len(record.keys), Acknowledged: record.Acknowledged, Lost: record.Lost}
	for keys := range slices.Chunk(slices.Sorted(maps.Keys(record.keys)), 100) {
		found, err := digests(ctx, client, keys)
		if err != nil {
			return r, fmt.Errorf("compare with ledger: %w", err)
		}
		for _, key := range keys {
			r.judge(key, record.keys[key], found[key])
		}
	}
	return r, nil
}

// digests gives the sha256 of each key's value; an absent key has none.
func digests(ctx context.Context, client *clientv3.Client, keys []string) (map[string]string, error) {
	var gets []clientv3.Op
	for _, key := range keys {
		gets = append(gets, clientv3.OpGet(key))
	}
	resp, err := client.Txn(ctx).Then(gets...).Commit()
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	for _, one := range resp.Responses {
		for _, kv := range one.GetResponseRange().GetKvs() {
			found[string(kv.Key)] = digest(kv.Value)
		}
	}
	return found, nil
}

func digest(value []byte) string {
	sum := sha256.Sum256(value)
	return hex.EncodeToString(sum[:])
}

func (r *Result) judge(key string, h *history, found string) {
	lost, foreign := h.judge(found)
	if last := len(h.states) - 1; last >= 0 && !h.states[last].acked && h.states[last].sha == found {
		r.Unconfirmed++
	}
	r.Lost += lost
	how := "older"
	switch {
	case foreign:
		r.Mismatched++
		how = "foreign"
	case found == "":
		how = "absent"
	}
	if (lost > 0 || foreign) && len(r.Losses) < MaxLosses {
		r.Losses = append(r.Losses, Loss{Key: key, Writes: lost, Found: how})
	}
}
