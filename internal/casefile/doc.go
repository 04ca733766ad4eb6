// Package casefile keeps the folder of one incident: what was seen, what was
// decided, every step that was taken, and what came of it. The folder is all
// that a reviewer, a second shift or a resume on another machine needs.
//
//	facts.json      cluster.Facts of the observation on which the plan rests
//	diagnosis.json  diagnose.Diagnosis
//	plan.json       plan.Plan
//	journal.jsonl   one Entry a line, fsynced before and after every step
//	verdict.json    Verdict of the verification
//	report.{md,html,json}
//	evidence/       what else was preserved
package casefile
