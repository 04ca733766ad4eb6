package ssh

import "strings"

// The scripts that run before the binary is there, with POSIX's own tools, and
// sha256sum, gzip or zstd of the machine. They are constants; what differs
// comes in as arguments ($1 …) and over standard input. SFTP would need a
// second protocol's parser on both sides, is switched off or locked into a
// folder on some machines, and cannot write where only root may.

// common defines what all scripts use.
//
//	say, die   one line to the coordinator; die also ends
//	digest     the SHA-256 of a file
//	safe       fails unless nobody but root and this user can replace what
//	           lies in the working folder, or a folder above it
const common = `
umask 077;
trap "" PIPE;
me=$(id -u);
say() { printf "%s\n" "$*"; };
die() { say "fail $*"; exit 1; };
digest() { sha256sum <"$1" | cut -c1-64; };
safe() {
  p=$(pwd -P);
  while :; do
    if [ -n "$(find "$p" -prune \( ! -user 0 ! -user "$me" -o \( -perm -0002 -o -perm -0020 ! -group 0 \) ! -perm -1000 \) -print)" ]; then
      die "others can write to $p";
    fi;
    if [ "$p" = / ]; then return; fi;
    p=$(dirname "$p");
  done;
};
`

// placeScript puts a binary into place.
//
//	$1 folder   $2 name   $3 SHA-256   $4 a word that is used once
//
// It only looks until it is told to go on:
//
//	system OS MACHINE
//	have good | have bad | have none
//	← go
//	free LINE                   df's last, in KiB
//	part SIZE SHA256            what an earlier attempt left
//	codec zstd | gzip | cat
//	← keep | anew
//	← the rest, compressed, to the end of standard input
//	placed SHA256 | fail WHY
//
// An attempt claims the part by renaming it, so that two coordinators never
// write to one file, and gives it back when it fails. Nothing is fsynced:
// what a power cut leaves is verified before it is run, as everything is.
const placeScript = common + `
d=$1 n=$2 sum=$3 mine=$2.part.$4 have=none;
if ! command -v sha256sum >/dev/null; then die "sha256sum is not installed"; fi;
say "system $(uname -s) $(uname -m)";
if [ -d "$d" ]; then
  cd "$d" || die "cannot enter $d";
  safe;
  if [ -e "./$n" ] || [ -L "./$n" ]; then
    have=bad;
    if [ -f "./$n" ] && [ -n "$(find "./$n" -prune -type f -user "$me" -perm 0700 -print)" ] && [ "$(digest "./$n")" = "$sum" ]; then have=good; fi;
  fi;
fi;
say "have $have";
read -r go || exit 0;
if [ "$go" != go ]; then exit 0; fi;
mkdir -p "$d" || die "cannot make $d";
cd "$d" || die "cannot enter $d";
safe;
chmod 0700 . || die "cannot protect $d";
say "free $(df -P -k . | tail -n 1)";
find . -type f -name "salvor-*.part.*" -mtime +0 -exec rm -f {} +;
mv -f "./$n.part" "./$mine" 2>/dev/null || : >"./$mine" || die "cannot write to $d";
back() { mv -f "./$mine" "./$n.part"; };
say "part $(($(wc -c <"./$mine"))) $(digest "./$mine")";
c=cat;
if command -v gzip >/dev/null; then c=gzip; fi;
if command -v zstd >/dev/null; then c=zstd; fi;
say "codec $c";
if ! read -r from; then back; exit 1; fi;
if [ "$from" = anew ]; then : >"./$mine"; fi;
case $c in cat) cat;; *) "$c" -d -q -c;; esac >>"./$mine";
got=$(digest "./$mine");
if [ "$got" != "$sum" ]; then
  back;
  die "what arrived has the digest $got";
fi;
chmod 0700 "./$mine" || die "cannot make it executable";
if [ "$have" = bad ]; then mv -f "./$n" "./$n.bad.$4" || die "cannot set aside what lay there"; fi;
mv -f "./$mine" "./$n" || die "cannot rename it";
say "placed $got";
`

// removeScript removes every binary of salvor, and parts of some, from the
// folder $1, and the folder if nothing else lies in it.
const removeScript = common + `
if [ ! -d "$1" ]; then say removed; exit 0; fi;
cd "$1" || die "cannot enter $1";
safe;
find . -type f -name "salvor-*" -exec rm -f {} + || die "cannot remove salvor from $1";
cd / && rmdir "$1" 2>/dev/null;
say removed;
`

// oneLine makes a script one word for the launcher, which takes no line break:
// each line ends where a blank may follow, and no blanks stand in a row.
func oneLine(script string) string { return strings.Join(strings.Fields(script), " ") }
