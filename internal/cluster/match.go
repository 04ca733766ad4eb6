package cluster

// FindEntry finds a configured member in a member list: by the ID that it
// carries, else by a peer URL, else by its name where no other configured
// member claims that entry's URLs. A name alone can be crossed in a
// configuration file; an ID cannot.
func FindEntry(list []MemberEntry, m Member, id Known[ID], all []Member) (MemberEntry, bool) {
	if id.OK {
		for _, e := range list {
			if e.ID == id.Value {
				return e, true
			}
		}
	}
	for _, e := range list {
		if SharesURL(e.PeerURLs, m.PeerURLs) {
			return e, true
		}
	}
	for _, e := range list {
		if e.Name == m.Name && !claimed(e, m, all) {
			return e, true
		}
	}
	return MemberEntry{}, false
}

// claimed tells whether another configured member has one of the entry's URLs.
func claimed(e MemberEntry, m Member, all []Member) bool {
	for _, o := range all {
		if o.Name != m.Name && SharesURL(e.PeerURLs, o.PeerURLs) {
			return true
		}
	}
	return false
}

// SharesURL tells whether two lists of URLs have one in common.
func SharesURL(a, b []string) bool {
	for _, x := range a {
		for _, y := range b {
			if x == y {
				return true
			}
		}
	}
	return false
}
