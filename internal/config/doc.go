// Package config reads, judges and writes salvor.yaml, and finds the etcd
// members of this machine to write the first one. It changes nothing but the
// file that Save is told to write.
package config
