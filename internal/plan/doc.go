// Package plan turns facts and a diagnosis into a Plan: typed steps that a
// person can review and that run carries out unchanged. It does no I/O, and
// the same input gives the same plan, byte for byte: times, random tokens and
// case names come in through Choices.
package plan
