package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/salvor-project/salvor/internal/casefile"
	"github.com/salvor-project/salvor/internal/host"
	"github.com/salvor-project/salvor/internal/observe"
	"github.com/salvor-project/salvor/internal/plan"
	"github.com/salvor-project/salvor/internal/remote"
	"github.com/salvor-project/salvor/internal/report"
)

func (a *app) recoverCommand() *cobra.Command {
	var k consent
	var source string
	var eyes sight
	c := &cobra.Command{
		Use:   "recover",
		Short: "Diagnose, plan, ask, repair, prove and report: the command for three in the morning",
		Long: `Recover looks, says what it found and what it would do, asks, and does it.
Nothing is deleted: whatever is replaced is set aside, and ` + "`salvor rollback`" + `
puts it back. It may be interrupted at any moment; ` + "`salvor resume`" + ` goes on.

` + exitCodes,
		Args: args(cobra.NoArgs),
	}
	k.addFlags(c)
	eyes.addFlags(c)
	c.Flags().StringVar(&source, "source", "", "recover from this candidate instead of the recommended one (see diagnose)")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := a.formats("text", "json"); err != nil {
			return err
		}
		if err := k.check(); err != nil {
			return err
		}
		cfg, err := eyes.load(a)
		if err != nil {
			return err
		}
		fleet, err := a.fleet(cfg)
		if err != nil {
			return err
		}
		defer fleet.Close()
		return a.recoverWith(c.Context(), fleet, k, source)
	}
	return c
}

// recoverWith is recover once the machines are at hand; the demo calls it too.
func (a *app) recoverWith(ctx context.Context, fleet *remote.Fleet, k consent, source string) error {
	name, err := newCase(fleet)
	if err != nil {
		return err
	}
	if err := a.lock(ctx, fleet, name); err != nil {
		return err
	}
	s, source, err := a.atHand(ctx, fleet, name, a.look(ctx, fleet), source)
	if err != nil {
		return err
	}
	if a.output == "text" {
		if err := report.Diagnosis(a.out, s.diagnosis, s.facts, a.style()); err != nil {
			return err
		}
	}
	folder, err := a.openCase(ctx, fleet, name, s)
	if err != nil {
		return err
	}
	p, err := makePlan(s, folder.Name(), source)
	if err != nil {
		if a.output == "json" { // the diagnosis is the whole answer then
			if werr := report.JSON(a.out, "Diagnosis", s.diagnosis); werr != nil {
				return werr
			}
		}
		return hint(err, "what was found is kept in %s", folder.Dir)
	}
	if err := folder.Write(casefile.PlanFile, p); err != nil {
		return err
	}
	if a.output == "text" {
		if err := report.Plan(a.out, p, a.style()); err != nil {
			return err
		}
	}
	note, err := a.agree(ctx, p, k)
	if err != nil {
		return err
	}
	return a.carryOut(ctx, fleet, folder, p, note)
}

// lock takes all locks before the look on which everything rests.
func (a *app) lock(ctx context.Context, fleet *remote.Fleet, caseName string) error {
	if err := fleet.Lock(ctx, host.NewOwner(caseName)); err != nil {
		return err
	}
	a.locked = true
	return nil
}

// stillHolds looks again and refuses a plan that answers something else than
// what is there now.
func (a *app) stillHolds(ctx context.Context, fleet *remote.Fleet, p plan.Plan) error {
	s := a.look(ctx, fleet)
	if got := s.diagnosis.Fingerprint(); got != p.Basis {
		return hint(fmt.Errorf("%w (diagnosis was %s, is %s: %s)", errStale, p.Basis, got, s.diagnosis.Summary), "`salvor recover` looks again and makes a new plan")
	}
	return nil
}

// makePlan builds the plan for what was seen.
func makePlan(s seen, caseName, source string) (plan.Plan, error) {
	token, err := randomHex(16)
	if err != nil {
		return plan.Plan{}, err
	}
	return plan.Build(s.facts, s.diagnosis, plan.Choices{Case: caseName, Token: "salvor-" + token, Source: source})
}

func randomHex(n int) (string, error) {
	b := make([]byte, n)
	if _, err := rand.Read(b); err != nil {
		return "", fmt.Errorf("make a random token: %w", err)
	}
	return hex.EncodeToString(b), nil
}

// newCase makes up the name of a new case.
func newCase(fleet *remote.Fleet) (string, error) {
	random, err := randomHex(2)
	if err != nil {
		return "", err
	}
	return casefile.NewName(time.Now(), fleet.Config.Cluster, random), nil
}

// openCase makes the case folder and preserves the evidence, before anything
// is done.
func (a *app) openCase(ctx context.Context, fleet *remote.Fleet, name string, s seen) (casefile.Folder, error) {
	folder, err := a.writeSeen(name, s)
	if err != nil {
		return folder, err
	}
	if err := preserve(ctx, fleet, folder); err != nil {
		return folder, err
	}
	if err := packCase(folder, folder.Path(evidencePack)); err != nil {
		// The files are there; that they are not in one is no reason to wait.
		return folder, folder.WriteBytes("evidence/pack-missing.txt", []byte(err.Error()+"\n"))
	}
	return folder, nil
}

// writeSeen writes what was seen into a case's folder, which is made if it is not
// there.
func (a *app) writeSeen(name string, s seen) (casefile.Folder, error) {
	folder, err := casefile.Create(a.cases, name)
	if errors.Is(err, fs.ErrExist) {
		folder, err = casefile.Open(filepath.Join(a.cases, name))
	}
	if err != nil {
		return folder, err
	}
	return folder, errors.Join(folder.Write(casefile.FactsFile, s.facts), folder.Write(casefile.DiagnosisFile, s.diagnosis))
}

// evidenceBudget is how long each host may take to hand its evidence over.
const evidenceBudget = 20 * time.Second

// preserve stores what every host can still show; all are asked at the same
// time. A host that cannot be asked is noted, never an error.
func preserve(ctx context.Context, fleet *remote.Fleet, folder casefile.Folder) error {
	hosts := fleet.Hosts()
	errs := make([]error, len(hosts))
	var wg sync.WaitGroup
	for i, h := range hosts {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, evidenceBudget)
			defer cancel()
			files, err := h.Evidence(ctx, fleet.Config)
			errs[i] = keep(folder, h.Name, files, err)
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// keep stores one host's evidence, or why there is none. A host names its
// files itself; a name that leads out of its folder is not followed.
func keep(folder casefile.Folder, host string, files []observe.EvidenceFile, missing error) error {
	if missing != nil {
		return folder.WriteBytes("evidence/"+host+"-missing.txt", []byte(missing.Error()+"\n"))
	}
	for _, f := range files {
		if !filepath.IsLocal(f.Name) {
			continue
		}
		if err := folder.WriteBytes("evidence/"+host+"/"+f.Name, f.Data); err != nil {
			return err
		}
	}
	return nil
}
