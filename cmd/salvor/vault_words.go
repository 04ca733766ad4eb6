package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/salvor-project/salvor/internal/backup"
	"github.com/salvor-project/salvor/internal/bundle"
	"github.com/salvor-project/salvor/internal/say"
	"github.com/salvor-project/salvor/internal/vault"
	"github.com/salvor-project/salvor/internal/vault/catalog"
	"github.com/salvor-project/salvor/internal/vault/policy"
)

// noteArgs are the arguments of a note's sentence, in their order.
func noteArgs(code string) []string {
	switch code {
	case bundle.MissingHost:
		return []string{"host", "why"}
	case bundle.MissingFile, bundle.MissingTooLarge, bundle.BadEncryption:
		return []string{"host", "path", "why"}
	case bundle.MissingAuthority, bundle.WrongPair:
		return []string{"path", "what"}
	case bundle.WrongAuthority:
		return []string{"where"}
	case bundle.MissingEncryption, bundle.WrongEncryption:
		return []string{"provider", "key", "object"}
	case bundle.OutsideKMS:
		return []string{"key"}
	case bundle.DataUnread, backup.ProofFetch, backup.ProofRestore:
		return []string{"why"}
	case backup.OtherCluster:
		return []string{"is", "was"}
	case backup.ProofDamage:
		return []string{"rung", "what"}
	case backup.ProofBundle:
		return []string{"what"}
	case backup.ProofCluster, backup.ProofRevision:
		return []string{"manifest", "data"}
	case backup.ProofContent:
		return []string{"revision", "keys", "hash"}
	}
	return policyArgs(policy.Code(code))
}

func policyArgs(code policy.Code) []string {
	switch code {
	case policy.KeepHeld:
		return []string{"who", "why"}
	case policy.KeepLocked:
		return []string{"until"}
	case policy.KeepLastProven:
		return []string{"when"}
	case policy.KeepUnproven:
		return []string{"proven"}
	case policy.KeepTier:
		return []string{"tier"}
	case policy.DropOld:
		return []string{"age"}
	case policy.DropThinned:
		return []string{"tier", "every"}
	case policy.LackCopies, policy.LackMedia, policy.LackOffsite, policy.LackOffline, policy.LackImmutable:
		return []string{"have", "want"}
	case policy.LackFresh, policy.LackProofFresh, policy.LackOfflineAge:
		return []string{"backup", "age", "limit"}
	case policy.LackTarget:
		return []string{"target"}
	case policy.LackClock, policy.LackProof:
		return []string{"backup"}
	}
	return nil
}

// noteText is a note's sentence.
func noteText(n catalog.Note) say.Text {
	var list []any
	for _, name := range noteArgs(n.Code) {
		list = append(list, n.Args[name])
	}
	if policy.Code(n.Code) == policy.LackTarget {
		why := ""
		if n.Args["why"] != "" {
			why = ": " + strings.TrimSuffix(n.Args["why"], ".")
		}
		if n.Args["unprepared"] != "" {
			return say.New("vault.target-unprepared", n.Args["target"], ": "+vault.ErrUnprepared.Error())
		}
		list = append(list, why)
	}
	return say.New("vault."+n.Code, list...)
}

// problemText is the sentence about something that is wrong in a vault.
func problemText(p vault.Problem) say.Text {
	why := ""
	switch p.Code {
	case vault.Leftover, vault.Orphan, vault.KeysFromVault, vault.ManifestDiffers, vault.PartMissing:
		// The sentence says it all.
	default:
		why = ": " + strings.TrimSuffix(p.Err.Error(), ".")
	}
	if p.Code == vault.DocumentBad {
		why = ": " + p.Object + why
	}
	switch {
	case p.Code == vault.ManifestForged && errors.Is(p.Err, catalog.ErrKey):
		return say.New("vault.manifest-stranger", p.Target, p.Backup, why)
	case p.Code == vault.TargetDown && errors.Is(p.Err, vault.ErrUnprepared):
		return say.New("vault.target-unprepared", p.Target, ": "+vault.ErrUnprepared.Error())
	case p.Code == vault.TargetDown:
		return say.New("vault."+string(p.Code), p.Target, why)
	}
	return say.New("vault."+string(p.Code), p.Target, p.Backup, why)
}

// noteLine is a note as JSON shows it.
type noteLine struct {
	Code string            `json:"code"`
	Args map[string]string `json:"args,omitempty"`
	Text string            `json:"text"`
}

func (a *app) noteLines(notes []catalog.Note) []noteLine {
	all := []noteLine{}
	for _, n := range notes {
		all = append(all, noteLine{n.Code, n.Args, noteText(n).In(say.Language(a.lang))})
	}
	return all
}

// sayNotes writes notes, one a line.
func (a *app) sayNotes(head string, notes []catalog.Note) error {
	for _, n := range notes {
		if err := a.say("%s%s\n", head, noteText(n).In(say.Language(a.lang))); err != nil {
			return err
		}
	}
	return nil
}

// ago writes a time that has passed so that a person can tell it from others.
func ago(d time.Duration) string {
	switch {
	case d < time.Minute:
		return d.Round(time.Second).String()
	case d < 48*time.Hour:
		return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	}
	return fmt.Sprintf("%dd", d/(24*time.Hour))
}
