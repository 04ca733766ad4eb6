package config

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// unit is a systemd service as its files describe it (systemd.unit(5),
// systemd.service(5), systemd.exec(5)).
type unit struct {
	name string
	// file is where the unit's main file lies.
	file    string
	command []string
	env     []string
	dir     string
	// enabled is true when some target wants the unit.
	enabled bool
	masked  bool
	// missing names environment files that could not be read.
	missing []string
	// script is true when the program is a script that mentions etcd.
	script bool
}

// unitRoots are the folders of unit files; an earlier one wins.
func unitRoots() []string {
	return []string{"/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"}
}

// units reads all services below root.
func units(root, hostname string) (map[string]unit, error) {
	files, enabled := map[string]string{}, map[string]bool{}
	for _, dir := range unitRoots() {
		entries, err := os.ReadDir(filepath.Join(root, dir))
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read unit files: %w", err)
		}
		for _, e := range entries {
			name := e.Name()
			if strings.HasSuffix(name, ".wants") || strings.HasSuffix(name, ".requires") {
				wanted, _ := filepath.Glob(filepath.Join(root, dir, name, "*.service"))
				for _, w := range wanted {
					enabled[filepath.Base(w)] = true
				}
			}
			if _, shadowed := files[name]; strings.HasSuffix(name, ".service") && !shadowed && !e.IsDir() {
				files[name] = filepath.Join(dir, name)
			}
		}
	}
	instances(files, enabled)
	all := map[string]unit{}
	for name, file := range files {
		if strings.HasSuffix(name, "@.service") {
			continue
		}
		if u, err := readUnit(root, name, file, hostname); err == nil {
			u.enabled = enabled[name]
			all[name] = u
		}
	}
	return all, nil
}

// instances adds the wanted instances of templates: etcd@main.service is
// described by etcd@.service.
func instances(files map[string]string, enabled map[string]bool) {
	for name := range enabled {
		prefix, _, ok := strings.Cut(name, "@")
		if template, has := files[prefix+"@.service"]; ok && has && files[name] == "" {
			files[name] = template
		}
	}
}

func readUnit(root, name, file, hostname string) (unit, error) {
	u := unit{name: name, file: file}
	path := filepath.Join(root, file)
	if target, err := os.Readlink(path); err == nil {
		u.masked = target == "/dev/null"
		if filepath.IsAbs(target) {
			path = filepath.Join(root, target)
		}
	}
	if u.masked {
		return u, nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return u, err
	}
	lines := serviceLines(string(b))
	for _, drop := range dropIns(root, name) {
		if b, err := os.ReadFile(drop); err == nil {
			lines = append(lines, serviceLines(string(b))...)
		}
	}
	u.apply(root, lines, specifiers(name, hostname))
	return u, nil
}

// dropIns lists NAME.service.d/*.conf of every root in the order in which
// systemd reads them: by file name, an earlier root hiding the same name.
func dropIns(root, name string) []string {
	byName := map[string]string{}
	folders := []string{name + ".d"}
	if prefix, instance, ok := strings.Cut(name, "@"); ok && instance != ".service" {
		folders = append(folders, prefix+"@.service.d")
	}
	for _, dir := range unitRoots() {
		for _, folder := range folders {
			found, _ := filepath.Glob(filepath.Join(root, dir, folder, "*.conf"))
			for _, f := range found {
				if _, hidden := byName[filepath.Base(f)]; !hidden {
					byName[filepath.Base(f)] = f
				}
			}
		}
	}
	var out []string
	for _, base := range slices.Sorted(maps.Keys(byName)) {
		out = append(out, byName[base])
	}
	return out
}

// apply works through the assignments of [Service]; an empty one forgets what
// was assigned before.
func (u *unit) apply(root string, lines [][2]string, spec *strings.Replacer) {
	var exec string
	var env []string
	var files []string
	for _, l := range lines {
		value := l[1]
		switch l[0] {
		case "ExecStart":
			exec = value
		case "WorkingDirectory":
			u.dir = spec.Replace(strings.TrimPrefix(value, "-"))
		case "Environment":
			if value == "" {
				env = nil
			}
			for _, w := range words(value) {
				env = append(env, spec.Replace(w))
			}
		case "EnvironmentFile":
			if value == "" {
				files = nil
			} else {
				files = append(files, spec.Replace(value))
			}
		}
	}
	if u.dir == "" || !filepath.IsAbs(u.dir) {
		u.dir = "/"
	}
	u.env = append(u.env, env...)
	for _, f := range files {
		u.addEnvFile(root, f)
	}
	u.setCommand(root, exec, spec)
}

// addEnvFile reads an environment file; its values win over Environment=.
func (u *unit) addEnvFile(root, name string) {
	optional := strings.HasPrefix(name, "-")
	name = strings.TrimPrefix(name, "-")
	paths, _ := filepath.Glob(filepath.Join(root, name))
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			u.missing = append(u.missing, name+" (not readable)")
			continue
		}
		u.env = append(u.env, envFile(string(b))...)
	}
	if len(paths) == 0 && !optional {
		u.missing = append(u.missing, name+" (not there)")
	}
}

func (u *unit) setCommand(root, exec string, spec *strings.Replacer) {
	argv := words(strings.TrimLeft(exec, "@-:+!|"))
	if strings.HasPrefix(strings.TrimLeft(exec, "-:+!|"), "@") && len(argv) > 1 {
		argv = append(argv[:1], argv[2:]...) // "@" puts argv[0] after the path
	}
	for i := range argv {
		argv[i] = spec.Replace(argv[i])
	}
	argv = expand(argv, u.env)
	if inner := insideShell(argv, u.env); inner != nil {
		argv = inner
	}
	u.command = argv
	if len(argv) > 0 && filepath.IsAbs(argv[0]) {
		u.script = mentionsEtcd(filepath.Join(root, argv[0]))
	}
}

// mentionsEtcd tells whether a file is a script that speaks of etcd.
func mentionsEtcd(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	b := make([]byte, 64<<10)
	n, _ := f.Read(b)
	return strings.HasPrefix(string(b[:n]), "#!") && strings.Contains(string(b[:n]), "etcd")
}

// isEtcd tells whether the unit's own command is an etcd server.
func (u unit) isEtcd() bool {
	switch recognise(u.command, "") {
	case surelyEtcd:
		return true
	case maybeEtcd:
		// No open files tell here: the flags that only etcd has must do.
		f := fromFlags(u.command[1:])
		_, peers := f["listen-peer-urls"]
		_, first := f["initial-cluster"]
		return peers || first
	}
	return false
}

// runsEtcd tells whether a process that lies in the unit and is an etcd was
// started by it, though its command line does not say so.
func (u unit) runsEtcd() bool { return u.isEtcd() || u.script || strings.Contains(u.name, "etcd") }
