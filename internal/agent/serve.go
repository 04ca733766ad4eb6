package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// Healthy says whether backups work, and why not.
func (a *Agent) Healthy(now time.Time) error {
	s := a.Seen()
	switch {
	case s.Failures > 0:
		return fmt.Errorf("%d failures in a row, the last at %s: %s", s.Failures, s.LastFailure.UTC().Format(time.RFC3339), s.LastError)
	case !s.Looked.IsZero() && s.Newest.Before(s.Due) && !s.Working && now.Sub(s.Due) > 2*(a.c.Jitter+a.c.Apart*time.Duration(a.c.Rank+1)):
		return fmt.Errorf("the backup that was due at %s is missing", s.Due.UTC().Format(time.RFC3339))
	}
	return nil
}

// Handler answers /healthz and /metrics. More gives more metrics, such as the
// vault's; it may be nil.
func (a *Agent) Handler(more func() string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		if err := a.Healthy(a.c.Now()); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "ok\n") // the asker is gone
	})
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		text := a.metrics()
		if more != nil {
			text += more()
		}
		_, _ = io.WriteString(w, text) // the asker is gone
	})
	return mux
}

func (a *Agent) metrics() string {
	s := a.Seen()
	healthy := 0
	if a.Healthy(a.c.Now()) == nil {
		healthy = 1
	}
	working := 0
	if s.Working {
		working = 1
	}
	var b strings.Builder
	for _, m := range []struct {
		name, help string
		value      any
	}{
		{"salvor_agent_healthy", "1 if backups work", healthy},
		{"salvor_agent_working", "1 while a backup is made", working},
		{"salvor_agent_failures", "failures in a row", s.Failures},
		{"salvor_agent_targets_lacking", "targets without a copy of the newest backup, as far as this agent has seen", len(s.Targets)},
		{"salvor_agent_last_success_seconds", "when this agent last made a backup, Unix time", unix(s.LastSuccess)},
		{"salvor_agent_last_failure_seconds", "when this agent last failed, Unix time", unix(s.LastFailure)},
		{"salvor_agent_last_duration_seconds", "how long the last backup took", int64(s.Took.Seconds())},
		{"salvor_agent_newest_backup_seconds", "when the newest backup in the vault was made, Unix time", unix(s.Newest)},
		{"salvor_agent_next_seconds", "when this agent acts next, Unix time", unix(s.Next)},
	} {
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s gauge\n%s %v\n", m.name, m.help, m.name, m.name, m.value)
	}
	return b.String()
}

func unix(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

// Serve answers on an address until ctx ends.
func Serve(ctx context.Context, address string, h http.Handler) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("answer health and metrics: %w", err)
	}
	s := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stop()
	if err := s.Serve(l); err != nil && ctx.Err() == nil {
		return fmt.Errorf("answer health and metrics: %w", err)
	}
	return nil
}

// Webhook gives a Notify that posts an event as JSON to the URL in a file, up
// to three times. Its errors never hold the URL, which is a secret.
func Webhook(file string) func(ctx context.Context, e Event) error {
	client := &http.Client{Timeout: 10 * time.Second}
	return func(ctx context.Context, e Event) error {
		b, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("read webhook: %w", err)
		}
		body, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("write webhook: %w", err)
		}
		for try := range 3 {
			if err = sleep(ctx, time.Duration(try)*time.Second); err != nil {
				return err
			}
			if err = post(ctx, client, strings.TrimSpace(string(b)), body); err == nil {
				return nil
			}
		}
		return err
	}
}

func post(ctx context.Context, client *http.Client, to string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return errors.New("call webhook: the file holds no URL")
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := client.Do(req)
	var failed *url.Error
	if errors.As(err, &failed) {
		err = failed.Err
	}
	if err != nil {
		return fmt.Errorf("call webhook: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode >= 300 {
		return fmt.Errorf("call webhook: it answered %s", res.Status)
	}
	return nil
}
