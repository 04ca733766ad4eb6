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
