// Package operate knows what one action does on this machine. Done looks
// whether an action has happened and changes nothing; Do makes it happen and
// may be repeated at any point, also after a crash in its middle. Nothing here
// deletes what it did not make.
package operate
