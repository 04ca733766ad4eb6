// Package cluster holds the nouns of Salvor: the configuration of a control
// plane and the facts that were observed about it. It reads and changes
// nothing, and knows no other package of ours.
package cluster
