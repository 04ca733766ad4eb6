package report

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/casefile"
	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/diagnose"
	"github.com/salvor-project/salvor/internal/plan"
)

// TestContract wants every field of every document to stand in docs/JSON.md.
func TestContract(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("..", "..", "docs", "JSON.md"))
	if err != nil {
		t.Fatal(err)
	}
	page := string(b)
	docs := []any{cluster.Facts{}, diagnose.Diagnosis{}, plan.Plan{}, casefile.Entry{}, casefile.Verdict{}, Document{},
		plan.StopMember{}, plan.StartMember{}, plan.Salvage{}, plan.CheckImage{}, plan.CopyFiles{}, plan.BuildMember{}, plan.SetAside{},
		plan.PutInPlace{}, plan.AwaitQuorum{}, plan.SaveSnapshot{}, plan.RemoveMember{}, plan.AddLearner{}, plan.PromoteLearner{},
		plan.Compact{}, plan.Defragment{}, plan.DisarmAlarm{}, plan.Canary{}, plan.Discard{},
		plan.FenceComponent{}, plan.ReleaseComponent{}, plan.AwaitAPI{}, plan.RestartKubelet{}, plan.AwaitNodes{}, plan.AwaitBalancer{}}
	// The configuration has a page of its own, which package config holds true.
	seen := map[reflect.Type]bool{reflect.TypeFor[cluster.Config](): true}
	fields := map[string]string{}
	for _, d := range docs {
		jsonFields(reflect.TypeOf(d), seen, fields)
		if a, ok := d.(plan.Action); ok {
			fields[string(a.Kind())] = "the kinds of steps"
		}
	}
	if len(fields) < 120 {
		t.Errorf("only %d fields were found: the search is broken", len(fields))
	}
	for name, where := range fields {
		if !strings.Contains(page, "`"+name+"`") {
			t.Errorf("docs/JSON.md does not name %q of %s", name, where)
		}
	}
	for _, o := range []Outcome{OutcomeEmpty, OutcomeHealthy, OutcomeDiagnosed, OutcomeRefused, OutcomeUndecided, OutcomePlanned, OutcomeUnfinished,
		OutcomeStopped, OutcomeUnverified, OutcomeNotProven, OutcomeRecovered, OutcomeRolledBack, OutcomeCleanedUp} {
		if !strings.Contains(page, "`"+string(o)+"`") {
			t.Errorf("docs/JSON.md does not name the outcome %q", o)
		}
	}
}

// jsonFields collects the field names of a type and of everything in it.
func jsonFields(typ reflect.Type, seen map[reflect.Type]bool, fields map[string]string) {
	switch typ.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		jsonFields(typ.Elem(), seen, fields)
		return
	case reflect.Struct:
	default:
		return
	}
	if seen[typ] || typ == reflect.TypeFor[time.Time]() || typ == reflect.TypeFor[json.RawMessage]() {
		return
	}
	seen[typ] = true
	for i := range typ.NumField() {
		f := typ.Field(i)
		tag := f.Tag.Get("json")
		if !f.IsExported() || tag == "-" || tag == "" {
			continue
		}
		name, _, _ := strings.Cut(tag, ",")
		fields[name] = typ.String()
		jsonFields(f.Type, seen, fields)
	}
}
