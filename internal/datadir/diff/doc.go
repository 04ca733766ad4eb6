// Package diff compares the live keys of two etcd dbs at rest, object by
// object, as Kubernetes' API server lays them out. It merges two sorted
// streams and holds no values.
package diff
