package main

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"time"

	"golang.org/x/term"
)

func sortPairings(list []pairing) {
	slices.SortStableFunc(list, func(a, b pairing) int {
		return cmp.Or(cmp.Compare(b.term, a.term), cmp.Compare(b.index, a.index))
	})
}

// bytesProgress shows bytes and the time left on a terminal, on one line that
// moves; elsewhere nothing.
func (a *app) bytesProgress(what string) func(done, total int64) {
	f, ok := a.err.(*os.File)
	if !ok || a.output == "json" || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	began, shown := time.Now(), time.Time{}
	return func(done, total int64) {
		now := time.Now()
		if done < total && now.Sub(shown) < 200*time.Millisecond {
			return
		}
		shown = now
		rest := ""
		if done > 0 && done < total {
			d := time.Duration(float64(now.Sub(began)) * float64(total-done) / float64(done))
			rest = ", " + d.Round(time.Second).String() + " left"
		}
		fmt.Fprintf(f, "\r\x1b[K%s: %s of %s%s", what, size(done), size(total), rest)
		if done >= total {
			fmt.Fprint(f, "\r\x1b[K")
		}
	}
}
