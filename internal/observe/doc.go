// Package observe turns one machine into HostFacts and many machines into
// Facts. It only reads; what cannot be read becomes an unknown fact with its
// reason, never an error that ends the observation.
package observe
