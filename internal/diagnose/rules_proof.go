package diagnose

import (
	"fmt"

	"github.com/salvor-project/salvor/internal/cluster"
)

// findNeverProven finds backups that could be restored as far as they can be
// read, of which none was ever restored to prove it. A vault keeps its proofs,
// and they count for a file of the same bytes; a snapshot file by itself has
// none. While nothing is known of a vault, or of a part of it, a proof may lie
// there.
func findNeverProven(v view) []sighting {
	if _, silent := v.silence(); silent || v.facts.Config.Vault != nil && !v.facts.Backups.OK {
		return nil
	}
	strange := v.strangeBackups()
	for _, b := range v.facts.Backups.Value {
		if _, foreign := strange[b.ID]; !foreign && !b.Proven.IsZero() && !b.Failed && !b.Untrusted {
			return nil
		}
	}
	var usable []Candidate
	for _, c := range v.kept(v.highest()) {
		if c.Integrity != Unusable {
			usable = append(usable, c)
		}
	}
	if len(usable) == 0 {
		return nil
	}
	s := sighting{subject: usable[0].ID, args: []any{len(usable)}}
	for _, c := range usable[:min(len(usable), cluster.MaxHazardNames)] {
		why := "a file has no record of a proof"
		if c.Kind == FromVault {
			why = "no proof lies beside it"
		}
		s.evidence = append(s.evidence, fmt.Sprintf("%s: %s", c.ID, why))
	}
	return []sighting{s}
}

// rateNeverProven: what was tried without a vault leaves no trace.
func rateNeverProven(v view, _ sighting) (Confidence, []string) {
	for _, b := range v.backups() {
		if v.soundBackup(b) {
			return Possible, []string{"a restore that was tried by hand leaves nothing that Salvor could read"}
		}
	}
	return Certain, nil
}
