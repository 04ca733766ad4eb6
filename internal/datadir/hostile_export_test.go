package datadir

import "context"

// EntryPlace is where an entry lies in a log, for tests that damage it.
type EntryPlace struct {
	Index, Term uint64
	File        string
	From, To    int64
}

// EntryPlaces lists the entries of a healthy log.
func EntryPlaces(ctx context.Context, walDir string) ([]EntryPlace, error) {
	l, err := readWAL(ctx, walDir, false)
	if err != nil {
		return nil, err
	}
	var all []EntryPlace
	for _, r := range l.runs {
		for i := r.base + 1; i <= r.last(); i++ {
			e := r.at(i)
			all = append(all, EntryPlace{e.index, e.term, l.segments[e.segment].Name, int64(e.off), int64(e.off) + int64(e.size)})
		}
	}
	return all, nil
}
