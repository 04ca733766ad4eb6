package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"
)

// ordersEnv makes this test binary a salvor that obeys orders. It is handed to
// the processes that a test starts, and from them to their host sides; etcd
// members are started without it.
const ordersEnv = "SALVOR_TEST_ORDERS"

// TestMain lets this test binary be salvor itself: coordinator, host side and
// demo member, each a process of its own that a signal can end.
func TestMain(m *testing.M) {
	text, ordered := os.LookupEnv(ordersEnv)
	member := len(os.Args) > 1 && os.Args[1] == "demo-member"
	if !ordered && !member {
		code := m.Run()
		removeStages()
		os.Exit(code)
	}
	var o orders
	if ordered {
		if err := json.Unmarshal([]byte(text), &o); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(99)
		}
	}
	os.Exit(salvor(o))
}

// salvor is main with orders.
func salvor(o orders) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	a := &app{in: os.Stdin, out: os.Stdout, err: os.Stderr, version: version, turnTTL: o.TurnTTL}
	host := len(os.Args) > 2 && os.Args[1] == "host"
	switch {
	case host && o.gone(os.Args):
		return codeError
	case host && o.HostMarks != "":
		if err := o.hostSide(ctx, a, os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return codeError
		}
		return codeOK
	case host:
	case o.Marks != "":
		a.at = newReaper(o).at
	case o.WaitAt != "":
		a.at = (&gate{orders: o}).at
	}
	return execute(ctx, a, os.Args[1:])
}
