package say

// entry is one sentence in both languages. Its arguments are always strings:
// %s takes them in order, %[2]s takes one by its number. Not every argument
// has to be used.
type entry struct{ en, zh string }

// find looks a key up in the tables, one table a file.
func find(key string) (entry, bool) {
	for _, table := range []map[string]entry{
		findings, scenarios, advice, candidates, actions, verdicts, words, screens, reports, vaults,
		pagesMachines, pagesCerts, pagesData, pagesService, pagesAPI, pagesBackups, pagesHazards, pagesObjects, pagesLoad, pageWords,
	} {
		if e, ok := table[key]; ok {
			return e, true
		}
	}
	return entry{}, false
}

// Has tells whether the catalogue holds a key.
func Has(key string) bool {
	_, ok := find(key)
	return ok
}
