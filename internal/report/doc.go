// Package report tells people what Salvor knows: a diagnosis and a plan on one
// screen, and a case as a story in Markdown, HTML and JSON, in English and
// Chinese. It decides nothing and changes nothing; every sentence comes from
// package say.
package report
