package cluster

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Vault says where backups of this control plane lie and how they are sealed.
// Its paths are those of the machine on which Salvor is started. Secrets never
// stand in the file: they lie in files of their own or in the environment.
type Vault struct {
	// Targets are the places; three on two media, one of them offline, is the
	// rule.
	Targets []VaultTarget `json:"targets" yaml:"targets"`
	// Recipients are who can open backups: age1… or SSH public keys.
	Recipients []string `json:"recipients,omitempty" yaml:"recipients,omitempty"`
	// PassphraseFile holds a passphrase, in the place of recipients.
	PassphraseFile string `json:"passphraseFile,omitempty" yaml:"passphraseFile,omitempty"`
	// Plain gives up encryption: whoever reads a target has every secret.
	Plain bool `json:"plain,omitempty" yaml:"plain,omitempty"`
	// Identity is the private key that opens backups, for proofs and for
	// fetching. It need not lie on the machines that back up.
	Identity string `json:"identity,omitempty" yaml:"identity,omitempty"`
	// SigningKey is the file of the key that signs manifests.
	SigningKey string `json:"signingKey,omitempty" yaml:"signingKey,omitempty"`
	// Trusted are verification keys (salvor-verify-1:…); with none, those that
	// lie in the vault itself are believed.
	Trusted []string `json:"trusted,omitempty" yaml:"trusted,omitempty"`
	// LockFor is how long a new backup cannot be deleted on targets with a
	// lock.
	LockFor Span `json:"lockFor,omitzero" yaml:"lockFor,omitempty"`
	// Tiers are how long backups are kept; hot for 7 days, cold for 30 days,
	// archive for 5 years if left out.
	Tiers []VaultTier `json:"tiers,omitempty" yaml:"tiers,omitempty"`
	// Objectives are what `salvor vault status` judges by.
	Objectives VaultObjectives `json:"objectives,omitzero" yaml:"objectives,omitempty"`
}

// VaultTarget is one place for backups; exactly one of Dir, S3, SFTP and
// Removable is set.
type VaultTarget struct {
	Name string `json:"name" yaml:"name"`
	// Dir is a folder: a second disk, NFS.
	Dir string `json:"dir,omitempty" yaml:"dir,omitempty"`
	// S3 is a bucket.
	S3 *VaultS3 `json:"s3,omitempty" yaml:"s3,omitempty"`
	// SFTP is a folder of another machine.
	SFTP *VaultSFTP `json:"sftp,omitempty" yaml:"sftp,omitempty"`
	// Removable is the mount point of media that are mostly absent.
	Removable string `json:"removable,omitempty" yaml:"removable,omitempty"`
	// Media is what it is stored on: disk, object, tape; two words that differ
	// are two media.
	Media string `json:"media,omitempty" yaml:"media,omitempty"`
	// Offsite says that it lies at another place than the cluster.
	Offsite bool `json:"offsite,omitempty" yaml:"offsite,omitempty"`
	// Offline says that who owns the network cannot reach it.
	Offline bool `json:"offline,omitempty" yaml:"offline,omitempty"`
	// Tiers are the tiers whose backups it holds; all if left out. One without
	// the first tier gets its copies when backups move on.
	Tiers []string `json:"tiers,omitempty" yaml:"tiers,omitempty"`
}

// VaultS3 is a bucket of an S3-compatible store. Without Credentials the
// environment (AWS_ACCESS_KEY_ID, …) and ~/.aws/credentials are asked.
type VaultS3 struct {
	// Endpoint is the server's URL, https://HOST[:PORT].
	Endpoint string `json:"endpoint" yaml:"endpoint"`
	Bucket   string `json:"bucket" yaml:"bucket"`
	Prefix   string `json:"prefix,omitempty" yaml:"prefix,omitempty"`
	Region   string `json:"region,omitempty" yaml:"region,omitempty"`
	// CA is a file of authorities, if the machine's own do not do.
	CA string `json:"ca,omitempty" yaml:"ca,omitempty"`
	// PathStyle puts the bucket into the path instead of the host name.
	PathStyle bool `json:"pathStyle,omitempty" yaml:"pathStyle,omitempty"`
	// Credentials is a file as of ~/.aws/credentials, Profile the section.
	Credentials string `json:"credentials,omitempty" yaml:"credentials,omitempty"`
	Profile     string `json:"profile,omitempty" yaml:"profile,omitempty"`
	// InstanceRole asks the cloud's metadata service for keys.
	InstanceRole bool `json:"instanceRole,omitempty" yaml:"instanceRole,omitempty"`
	// Lock is "governance" or "compliance", on a bucket with object lock.
	Lock string `json:"lock,omitempty" yaml:"lock,omitempty"`
}

// VaultSFTP is a folder of a machine with an OpenSSH server.
type VaultSFTP struct {
	// Address is user@host[:port].
	Address    string `json:"address" yaml:"address"`
	Path       string `json:"path" yaml:"path"`
	Identity   string `json:"identity" yaml:"identity"`
	KnownHosts string `json:"knownHosts" yaml:"knownHosts"`
}

// VaultTier keeps one backup per Every, up to the age For.
type VaultTier struct {
	Name  string `json:"name" yaml:"name"`
	For   Span   `json:"for" yaml:"for"`
	Every Span   `json:"every,omitzero" yaml:"every,omitempty"`
	// Lock locks what the tier keeps for as long as it keeps it, on targets
	// with a lock.
	Lock bool `json:"lock,omitempty" yaml:"lock,omitempty"`
}

// VaultObjectives are what is asked of the vault; objectives.rpo is the age
// that the newest backup may have. What is left out is the rule's: 3 copies, 2
// media, 1 offsite, 1 offline, a proof every 2 days, an offline copy every 8.
type VaultObjectives struct {
	Copies     *int `json:"copies,omitempty" yaml:"copies,omitempty"`
	Media      *int `json:"media,omitempty" yaml:"media,omitempty"`
	Offsite    *int `json:"offsite,omitempty" yaml:"offsite,omitempty"`
	Offline    *int `json:"offline,omitempty" yaml:"offline,omitempty"`
	Immutable  *int `json:"immutable,omitempty" yaml:"immutable,omitempty"`
	ProofAge   Span `json:"proofAge,omitzero" yaml:"proofAge,omitempty"`
	OfflineAge Span `json:"offlineAge,omitzero" yaml:"offlineAge,omitempty"`
}

// Backup says when the agent makes backups and how.
type Backup struct {
	// Schedule is a cron expression of five fields, in UTC.
	Schedule string `json:"schedule,omitempty" yaml:"schedule,omitempty"`
	// Jitter is how much later than that a backup may begin, at random.
	Jitter Span `json:"jitter,omitzero" yaml:"jitter,omitempty"`
	// Bandwidth bounds what a backup writes, such as 20MiB: per second, in
	// all.
	Bandwidth Bandwidth `json:"bandwidth,omitzero" yaml:"bandwidth,omitempty"`
	// Unproven leaves out the proof after a scheduled backup.
	Unproven bool `json:"unproven,omitempty" yaml:"unproven,omitempty"`
	// Scratch is the folder in which backups are proven; it needs room for three
	// times a snapshot.
	Scratch string `json:"scratch,omitempty" yaml:"scratch,omitempty"`
	// Files are more files and folders of every host that belong to a backup.
	Files []string `json:"files,omitempty" yaml:"files,omitempty"`
	// Absent lists files that need not be there, out of those that a backup
	// otherwise misses.
	Absent []string `json:"absent,omitempty" yaml:"absent,omitempty"`
	// Listen is where the agent answers /healthz and /metrics.
	Listen string `json:"listen,omitempty" yaml:"listen,omitempty"`
	// WebhookFile holds the URL that is told of failure and recovery: such
	// URLs are secrets.
	WebhookFile string `json:"webhookFile,omitempty" yaml:"webhookFile,omitempty"`
	// StateDir is where the agent remembers what it did; agent in the first
	// host's state folder if left out.
	StateDir string `json:"stateDir,omitempty" yaml:"stateDir,omitempty"`
}

// Span is a time that may also be written in days, weeks and years of 365
// days: 7d, 4w, 5y, 1d12h.
type Span time.Duration

// MarshalText writes whole days as days, all else as time.Duration does.
func (s Span) MarshalText() ([]byte, error) {
	if d := time.Duration(s); d > 0 && d%(24*time.Hour) == 0 {
		return []byte(strconv.FormatInt(int64(d/(24*time.Hour)), 10) + "d"), nil
	}
	return []byte(time.Duration(s).String()), nil
}

// UnmarshalText reads both forms, and one after the other.
func (s *Span) UnmarshalText(b []byte) error {
	rest, total := string(b), 0.0
	wrong := fmt.Errorf("read time span %q: write it like 7d, 12h, 1d12h or 5y", b)
	if rest == "" {
		return wrong
	}
	for rest != "" {
		n := strings.IndexFunc(rest, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
		if n <= 0 {
			return wrong
		}
		day := map[byte]float64{'d': 1, 'w': 7, 'y': 365}[rest[n]]
		if day == 0 {
			d, err := time.ParseDuration(rest)
			if err != nil {
				return wrong
			}
			total += float64(d)
			break
		}
		v, err := strconv.ParseFloat(rest[:n], 64)
		if err != nil {
			return wrong
		}
		total += v * day * float64(24*time.Hour)
		rest = rest[n+1:]
	}
	if total < 0 || total > 1<<62 {
		return wrong
	}
	*s = Span(total)
	return nil
}

// Bandwidth is bytes per second; in files with a unit: 500KiB, 20MiB.
type Bandwidth int64

// MarshalText writes the largest unit that divides it.
func (w Bandwidth) MarshalText() ([]byte, error) {
	for _, u := range bandwidthUnits() {
		if w > 0 && int64(w)%u.size == 0 {
			return []byte(strconv.FormatInt(int64(w)/u.size, 10) + u.name), nil
		}
	}
	return []byte(strconv.FormatInt(int64(w), 10) + "B"), nil
}

// UnmarshalText reads a number with a unit.
func (w *Bandwidth) UnmarshalText(b []byte) error {
	for _, u := range bandwidthUnits() {
		text, ok := strings.CutSuffix(string(b), u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n <= 0 || n > 1<<50/u.size {
			break
		}
		*w = Bandwidth(n * u.size)
		return nil
	}
	return fmt.Errorf("read bandwidth %q: write it like 500KiB or 20MiB, bytes per second", b)
}

type bandwidthUnit struct {
	name string
	size int64
}

func bandwidthUnits() []bandwidthUnit {
	return []bandwidthUnit{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}}
}
