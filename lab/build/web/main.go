// Command web is the workload of the lab's pods: it answers every request on
// port 8080 with its host's name.
package main

import (
	"fmt"
	"net/http"
	"os"
	"time"
)

func main() {
	name, _ := os.Hostname()
	server := &http.Server{
		Addr:              ":8080",
		ReadHeaderTimeout: 5 * time.Second,
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, name) }),
	}
	if err := server.ListenAndServe(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
