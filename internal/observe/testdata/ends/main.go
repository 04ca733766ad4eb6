// Command ends is what the test's containers run: it ends, or does not.
package main

import (
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

func main() {
	switch arg := os.Args[len(os.Args)-1]; arg {
	case "stay":
		stop := make(chan os.Signal, 1)
		signal.Notify(stop, syscall.SIGTERM)
		<-stop
	case "eat":
		var all [][]byte
		for {
			b := make([]byte, 1<<20)
			for i := range b {
				b[i] = 1
			}
			all = append(all, b)
			_ = all
		}
	default:
		code, _ := strconv.Atoi(arg)
		time.Sleep(500 * time.Millisecond)
		os.Exit(code)
	}
}
