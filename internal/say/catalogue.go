package say

// entry is one sentence in both languages, with fmt verbs for its arguments
// (always strings: %s, or %[2]s where the order differs).
type entry struct{ en, zh string }

// find looks a key up in the tables, one table a file.
func find(key string) (entry, bool) {
	for _, table := range []map[string]entry{findings, advice, candidates, actions, reports} {
		if e, ok := table[key]; ok {
			return e, true
		}
	}
	return entry{}, false
}
