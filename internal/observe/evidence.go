package observe

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
)

// logTail is how much of a log is preserved, in bytes.
const logTail = 512 << 10

// digestLimit is up to which size a file of a data dir is digested: a db of
// gigabytes would take longer than the evidence may.
const digestLimit = 128 << 20

// EvidenceFile is one file to be preserved in the case folder.
type EvidenceFile struct {
	Name string `json:"name"`
	Data []byte `json:"data"`
}

// Evidence collects what would be gone or overwritten later: the ends of logs,
// listings of data dirs with digests, manifests, unit files, the public parts
// of certificates, the kernel's messages. It reads no values of etcd; keys,
// tokens and passwords are cut out before anything leaves this function.
func Evidence(ctx context.Context, cfg cluster.Config, host string) []EvidenceFile {
	ctx, cancel := sooner(ctx)
	defer cancel()
	var out []EvidenceFile
	for _, m := range cfg.Members {
		if m.Host != host {
			continue
		}
		half, done := context.WithTimeout(ctx, hostBudget/2)
		out = append(out, inTime(half, EvidenceFile{m.Name + "-files.json", []byte(late + "\n")}, func() EvidenceFile { return listing(half, m) }))
		done()
		if p := m.Run.Process; p != nil && p.Log != "" {
			out = append(out, textFile(m.Name+"-log.txt", func() ([]byte, error) { return tailBytes(p.Log, logTail) }))
		}
	}
	if m, ok := machineOf(cfg, host); ok {
		out = append(out, m.evidence(ctx)...)
	}
	for i := range out {
		out[i].Data = Redact(out[i].Data)
	}
	return out
}

func textFile(name string, read func() ([]byte, error)) EvidenceFile {
	b, err := read()
	if err != nil {
		b = append(b, []byte("\n"+err.Error()+"\n")...)
	}
	return EvidenceFile{name, b}
}

// fileLimit is how long one file may take: a disk that hangs must not cost the
// evidence of all others.
func fileLimit(ctx context.Context) time.Duration {
	const most = 5 * time.Second
	if end, ok := ctx.Deadline(); ok {
		return min(most, time.Until(end)/3)
	}
	return most
}

// evidence is what the machine itself can show.
func (m machine) evidence(ctx context.Context) []EvidenceFile {
	var out []EvidenceFile
	add := func(name string, read func() ([]byte, error)) {
		if ctx.Err() != nil {
			out = append(out, EvidenceFile{name, []byte(late + "\n")})
			return
		}
		ctx, cancel := context.WithTimeout(ctx, fileLimit(ctx))
		defer cancel()
		out = append(out, inTime(ctx, EvidenceFile{name, []byte(late + "\n")}, func() EvidenceFile { return textFile(name, read) }))
	}
	if m.real() {
		units := []string{"kubelet"}
		_, runtime := m.runtimeSocket()
		units = append(units, runtime)
		for _, c := range m.cfg.Members {
			if c.Host == m.host && c.Run.Systemd != "" {
				units = append(units, c.Run.Systemd)
			}
		}
		for _, u := range units {
			add("journal-"+u+".txt", func() ([]byte, error) { return journalctl(ctx, "--unit="+u) })
		}
		add("units.txt", func() ([]byte, error) {
			out, err := showUnits(ctx, m.unitsHere())
			return []byte(out), err
		})
		add("containers.json", func() ([]byte, error) {
			runs, images := m.containers(ctx), m.images(ctx, cluster.From(m.manifests()))
			return json.MarshalIndent(map[string]any{"containers": runs, "images": images}, "", " ")
		})
		add("kernel.txt", func() ([]byte, error) { return journalctl(ctx, kernelLines) })
	}
	add("mounts.txt", func() ([]byte, error) { return os.ReadFile(m.at("/proc/self/mountinfo")) })
	add("fstab.txt", func() ([]byte, error) { return os.ReadFile(m.at("/etc/fstab")) })
	for _, f := range m.smallFiles() {
		add("files"+f, func() ([]byte, error) { return m.read(f) })
	}
	for _, f := range m.publicParts() {
		add("certificates"+f, func() ([]byte, error) {
			b, err := m.read(f)
			return onlyCertificates(b), err
		})
	}
	for _, f := range m.podLogFiles() {
		add("pods/"+strings.TrimPrefix(f, podLogDir+"/"), func() ([]byte, error) { return tailBytes(m.at(f), logTail) })
	}
	return out
}

// smallFiles are manifests and unit files. No kubeconfig and no encryption
// configuration is among them.
func (m machine) smallFiles() []string {
	var out []string
	for _, pattern := range []string{m.staticPodPath() + "/*", m.staticPodPath() + ".salvor/*", "/etc/systemd/system/etcd*.service", "/etc/systemd/system/kubelet.service.d/*.conf",
		"/etc/systemd/system/*.mount", "/usr/lib/systemd/system/kubelet.service.d/*.conf", kubeletDir + "/config.yaml", kubeletDir + "/kubeadm-flags.env"} {
		found, err := filepath.Glob(m.at(pattern))
		if err != nil {
			continue
		}
		for _, f := range found {
			if info, err := os.Stat(f); err == nil && info.Mode().IsRegular() && info.Size() < 256<<10 {
				out = append(out, m.outside(f))
			}
		}
	}
	sort.Strings(out)
	return out
}

// publicParts are the certificate files of the control plane.
func (m machine) publicParts() []string {
	var out []string
	for _, dir := range append(pkiDirs(), kubeletDir+"/pki") {
		for _, pattern := range []string{"/*.crt", "/etcd/*.crt", "/*.pem"} {
			found, err := filepath.Glob(m.at(dir + pattern))
			if err != nil {
				continue
			}
			for _, f := range found {
				out = append(out, m.outside(f))
			}
		}
	}
	sort.Strings(out)
	return out
}

// onlyCertificates keeps the certificates of a PEM file and nothing else.
func onlyCertificates(b []byte) []byte {
	var out bytes.Buffer
	for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			_ = pem.Encode(&out, &pem.Block{Type: block.Type, Bytes: block.Bytes}) // into memory: it cannot fail
		}
	}
	return out.Bytes()
}

// podLogFiles are the last two logs of each control plane container.
func (m machine) podLogFiles() []string {
	var out []string
	for _, l := range m.podLogs() {
		if strings.HasSuffix(l.Source, ".log") {
			out = append(out, l.Source)
		}
	}
	return out
}

// listed is one line of a data dir's listing.
type listed struct {
	Path     string    `json:"path"`
	Size     int64     `json:"size"`
	Mode     string    `json:"mode"`
	Modified time.Time `json:"modified"`
	SHA256   string    `json:"sha256,omitempty"`
}

func listing(ctx context.Context, m cluster.Member) EvidenceFile {
	var all []listed
	roots := []string{m.DataDir}
	if m.WALDir != "" {
		roots = append(roots, m.WALDir)
	}
	for _, root := range roots {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return fs.SkipDir
			}
			if info, err := d.Info(); err == nil {
				l := listed{Path: path, Size: info.Size(), Mode: info.Mode().String(), Modified: info.ModTime()}
				if info.Mode().IsRegular() && info.Size() <= digestLimit {
					l.SHA256 = digestOf(ctx, path)
				}
				all = append(all, l)
			}
			return nil
		})
		if err != nil && !errors.Is(err, fs.SkipDir) {
			all = append(all, listed{Path: fmt.Sprintf("%s: %v", root, err)})
		}
	}
	b, err := json.MarshalIndent(all, "", " ")
	if err != nil {
		b = []byte(err.Error())
	}
	return EvidenceFile{m.Name + "-files.json", b}
}

// digestOf is a file's sha256; empty when it cannot be read or time is up.
func digestOf(ctx context.Context, path string) string {
	if ctx.Err() != nil {
		return ""
	}
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return ""
	}
	return hex.EncodeToString(h.Sum(nil))
}
