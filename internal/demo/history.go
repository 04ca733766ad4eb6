package demo

// history is the states of one key in the order in which they were tried. The
// state before all is that the key does not exist.
type history struct{ states []state }

type state struct {
	sha   string
	acked bool
}

func (h *history) try(sha string) {
	if n := len(h.states); n > 0 && h.states[n-1].sha == sha {
		return // the same write, sent again
	}
	h.states = append(h.states, state{sha: sha})
}

// ack marks the newest state with that content.
func (h *history) ack(sha string) bool {
	i := h.find(sha)
	if i < 0 {
		return false
	}
	h.states[i].acked = true
	return true
}

func (h *history) find(sha string) int {
	for i := len(h.states) - 1; i >= 0; i-- {
		if h.states[i].sha == sha {
			return i
		}
	}
	return -1
}

// judge compares what a key holds now (absent is "") with what was tried.
// lost counts the acknowledged writes after the state that was found. foreign
// means that the content was never tried.
func (h *history) judge(sha string) (lost int, foreign bool) {
	at := -1
	if sha != "" {
		if at = h.find(sha); at < 0 {
			return h.ackedAfter(-1), true
		}
	}
	return h.ackedAfter(at), false
}

func (h *history) ackedAfter(at int) int {
	n := 0
	for _, s := range h.states[at+1:] {
		if s.acked {
			n++
		}
	}
	return n
}

// fallBack forgets the states after the one with that content: they were
// counted as lost, and life goes on from here. The state that was found counts
// as acknowledged from now on only if it was before.
func (h *history) fallBack(sha string) {
	at := -1
	if sha != "" {
		at = h.find(sha)
	}
	h.states = h.states[:at+1]
}
