package stories

import "slices"

// GivenUp has the operator say that the hosts of members will never come back.
func (w *World) GivenUp(members ...string) *World {
	for i, h := range w.Facts.Config.Hosts {
		for _, m := range w.Facts.Config.Members {
			if m.Host == h.Name && slices.Contains(members, m.Name) {
				w.Facts.Config.Hosts[i].Gone = true
			}
		}
	}
	return w
}

// heard has every host that was given up accept connections.
func heard(w *World) *World {
	for i, h := range w.Facts.Config.Hosts {
		if h.Gone {
			w.Facts.Hosts[i].Heard = []string{"10.0.0.2:2379"}
		}
	}
	return w
}
