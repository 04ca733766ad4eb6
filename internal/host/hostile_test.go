package host_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/host"
	"github.com/salvor-project/salvor/internal/host/hosttest"
)

// saying is a machine whose sessions say something and then end, or wait.
func saying(what string, wait bool) host.Transport {
	return host.Local{Grace: 50 * time.Millisecond, Run: func(ctx context.Context, _ []string, stdin io.Reader, stdout, stderr io.Writer) error {
		if strings.HasPrefix(what, "{") { // an answer: there must be a question first
			if _, err := stdin.Read(make([]byte, 1)); err != nil {
				return err
			}
		}
		go func() { _, _ = io.Copy(io.Discard, stdin) }()
		if _, err := io.WriteString(stdout, what); err != nil {
			return err
		}
		if wait {
			<-ctx.Done()
		}
		return errors.New("said what I had to say")
	}}
}

func TestDialHostile(t *testing.T) {
	for name, c := range map[string]struct {
		what string
		wait bool
		want string
	}{
		"greeting":     {"Welcome to this machine\n", true, "Welcome"},
		"ended":        {"", false, "said what I had to say"},
		"silent":       {"", true, "deadline"},
		"half a line":  {`{"jsonrpc":"2.0","id":1,"res`, false, "cut off"},
		"wrong answer": {`{"jsonrpc":"2.0","id":1,"result":{"protocol":99}}` + "\n", true, "another version"},
		"not JSON":     {"{{{{\n", true, ""},
		"other shape":  {`{"jsonrpc":"2.0","id":1,"result":"x"}` + "\n", true, "decode"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			_, err := host.Dial(t.Context(), saying(c.what, c.wait), host.DialOptions{
				Version: hosttest.Version, StateDir: "/x", HelloTimeout: 300 * time.Millisecond, CancelGrace: 10 * time.Millisecond,
			})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Error(err)
			}
			if d := time.Since(began); d > 3*time.Second {
				t.Errorf("took %s", d)
			}
		})
	}
}

// say makes a frame.
func say(kind byte, payload string) string {
	return string(binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(payload)))) + payload
}

// instead is a good machine whose sessions for one command are replaced.
type instead struct {
	host.Transport
	command string
	other   host.Transport
}

func (i instead) Start(ctx context.Context, args ...string) (host.Stream, error) {
	if args[1] == i.command {
		return i.other.Start(ctx, args...)
	}
	return i.Transport.Start(ctx, args...)
}

func TestRelayHostile(t *testing.T) {
	start := say('S', `{"protocol":1,"dir":false,"files":1,"bytes":4}`)
	for name, c := range map[string]struct {
		command, what string
		wait          bool
		want          string
	}{
		"sender silent":        {"send", "", true, host.ErrIdle.Error()},
		"sender greets":        {"send", "Welcome to this machine", true, "Welcome"},
		"sender ends":          {"send", start, false, "said what I had to say"},
		"sender ends early":    {"send", start + say('E', ""), false, "0 files came instead of 1"},
		"sender escapes":       {"send", start + say('H', `{"name":"../x","size":0}`), true, "cannot come here"},
		"sender sends garbage": {"send", start + say('H', `{"size":4}`) + say('D', "\x00\x00\x00\x04abcd"), true, "unpack"},
		"sender is huge":       {"send", "S\xff\xff\xff\xff", true, "too long"},
		"receiver silent":      {"receive", "", true, host.ErrIdle.Error()},
		"receiver ends":        {"receive", "", false, "said what I had to say"},
		"receiver lies":        {"receive", say('O', `{"protocol":1}`) + say('R', "{}"), true, "it stored"},
		"receiver's other day": {"receive", say('O', `{"protocol":2}`), true, "another version"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			relayHostile(t, instead{host.Local{Run: hosttest.Command().Run}, c.command, saying(c.what, c.wait)}, c.want)
		})
	}
}

func relayHostile(t *testing.T, odd host.Transport, want string) {
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/src", []byte("data"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := host.Dial(t.Context(), odd, host.DialOptions{Version: hosttest.Version, StateDir: dir, IdleTimeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	began := time.Now()
	if _, _, err := host.Relay(t.Context(), c, dir+"/src", c, dir+"/dst", nil); err == nil || !strings.Contains(err.Error(), want) {
		t.Error(err)
	}
	if d := time.Since(began); d > 3*time.Second {
		t.Errorf("took %s", d)
	}
	if _, err := os.Lstat(dir + "/dst"); err == nil {
		t.Error("the target exists")
	}
}
