package run

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/salvor-project/salvor/internal/casefile"
	"github.com/salvor-project/salvor/internal/plan"
	"github.com/salvor-project/salvor/internal/remote"
)

// mirrorLimit is how long a host may take to store one line. A host that does
// not manage keeps a mirror that ends earlier, which a resume can live with.
const mirrorLimit = 5 * time.Second

// ledger is the journal with its mirrors on the hosts.
type ledger struct {
	mu      sync.Mutex // keeps the mirrors in the journal's order
	folder  casefile.Folder
	journal *casefile.Journal
	mirrors []*mirror
	// touched tells that a step with any risk was begun before.
	touched bool
}

// mirror is the journal on one host.
type mirror struct {
	*remote.Host
	// behind says that it lacks a line: a mirror with a hole would tell a
	// resume that a step's successors are done and the step itself is not.
	behind bool
}

// openLedger opens the journal and tells which steps it shows as done, and which
// as begun. Hosts that are away keep no mirror.
func (r *Runner) openLedger() (l *ledger, done, begun map[plan.StepID]bool, err error) {
	folder, p := r.Case, r.plan
	j, entries, err := casefile.OpenJournal(folder.Path(casefile.JournalFile))
	if err != nil {
		return nil, nil, nil, err
	}
	l = &ledger{folder: folder, journal: j}
	for _, name := range p.Hosts() {
		if _, away := r.away[name]; away {
			continue
		}
		h, err := r.Fleet.Host(name)
		if err != nil {
			return nil, nil, nil, errors.Join(err, j.Close())
		}
		l.mirrors = append(l.mirrors, &mirror{Host: h})
	}
	done, begun = map[plan.StepID]bool{}, map[plan.StepID]bool{}
	for _, e := range entries {
		if e.Plan != p.ID {
			return nil, nil, nil, errors.Join(fmt.Errorf("the journal of case %s belongs to plan %s, not to %s: it was mixed up", folder.Name(), e.Plan, p.ID), j.Close())
		}
		switch e.Event {
		case casefile.EventStarted:
			begun[e.Step] = true
		case casefile.EventDone:
			done[e.Step], begun[e.Step] = true, true
		default:
		}
		if s, ok := p.Step(e.Step); ok && s.Action.Risk() != plan.RiskNone && !e.Found && e.Event != casefile.EventSkipped {
			l.touched = true
		}
	}
	return l, done, begun, nil
}

// mirrorDocuments gives every host what a resume needs. The journal goes whole:
// a mirror may lack lines, or hold some of a run that this one does not know.
func (l *ledger) mirrorDocuments(ctx context.Context) error {
	for _, name := range []string{casefile.FactsFile, casefile.DiagnosisFile, casefile.PlanFile, casefile.JournalFile} {
		b, err := os.ReadFile(l.folder.Path(name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("mirror the case: %w", err)
		}
		if err := l.each(ctx, func(ctx context.Context, m *mirror) error {
			c, err := m.Client(ctx)
			if err != nil {
				return err
			}
			return c.PutCase(ctx, l.folder.Name(), name, b)
		}); err != nil {
			return fmt.Errorf("mirror the case: %w", err)
		}
	}
	return nil
}

// write appends an entry here and on every host. Only the journal of this
// machine decides: a mirror that fails is reported by the next step that needs
// its host.
func (l *ledger) write(ctx context.Context, e casefile.Entry) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.At = time.Now()
	e, line, err := l.journal.Append(e)
	if err != nil {
		return err
	}
	_ = l.mirror(ctx, line, e.Seq)
	return nil
}

// mirror appends a line on every host; one that missed a line gets all.
func (l *ledger) mirror(ctx context.Context, line []byte, seq int64) error {
	return l.each(ctx, func(ctx context.Context, m *mirror) error {
		behind := m.behind
		m.behind = true
		c, err := m.Client(ctx)
		if err != nil {
			return err
		}
		if behind {
			b, err := os.ReadFile(l.folder.Path(casefile.JournalFile))
			if err != nil {
				return err
			}
			err = c.PutCase(ctx, l.folder.Name(), casefile.JournalFile, b)
			m.behind = err != nil
			return err
		}
		err = c.AppendCase(ctx, l.folder.Name(), casefile.JournalFile, line, seq)
		m.behind = err != nil
		return err
	})
}

func (l *ledger) each(ctx context.Context, do func(context.Context, *mirror) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), mirrorLimit)
	defer cancel()
	errs := make([]error, len(l.mirrors))
	var wg sync.WaitGroup
	for i, m := range l.mirrors {
		wg.Go(func() { errs[i] = do(ctx, m) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (l *ledger) close() { _ = l.journal.Close() }
