package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/salvor-project/salvor/internal/cluster"
)

// maxFile bounds how much of a configuration file is read: one that was named
// by mistake may be a disk image.
const maxFile = 1 << 20

// Load reads a configuration file strictly and judges it. The error lists
// every problem, each with file and line; it can be taken apart with
// errors.Join's Unwrap.
func Load(path string) (cluster.Config, error) {
	info, err := os.Stat(path)
	if err != nil {
		return cluster.Config{}, fmt.Errorf("read configuration: %w", err)
	}
	if info.IsDir() || info.Size() > maxFile {
		return cluster.Config{}, fmt.Errorf("read configuration: %s is not a configuration file (a folder, or larger than 1 MiB)", path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return cluster.Config{}, fmt.Errorf("read configuration: %w", err)
	}
	return Parse(path, b)
}

// Parse is Load for the file's content; path only names it in errors.
func Parse(path string, b []byte) (cluster.Config, error) {
	var cfg cluster.Config
	var doc yaml.Node
	if err := yaml.Unmarshal(b, &doc); err != nil {
		return cfg, located(path, err)
	}
	if len(doc.Content) == 0 || doc.Content[0].Tag == "!!null" {
		return cfg, fmt.Errorf("%s:1: the file is empty: `salvor init` writes one", path)
	}
	root := doc.Content[0]
	if err := oneDocument(path, b); err != nil {
		return cfg, err
	}
	if bad := checkFields(root); len(bad) > 0 {
		return cfg, joined(path, root, bad)
	}
	decoder := yaml.NewDecoder(strings.NewReader(string(b)))
	decoder.KnownFields(true)
	if err := decoder.Decode(&cfg); err != nil {
		return cluster.Config{}, located(path, err)
	}
	return cfg, joined(path, root, problems(cfg))
}

// oneDocument refuses what follows a "---": it would silently be left out.
func oneDocument(path string, b []byte) error {
	decoder := yaml.NewDecoder(strings.NewReader(string(b)))
	var first, second yaml.Node
	if err := decoder.Decode(&first); err != nil {
		return located(path, err)
	}
	if decoder.Decode(&second) == nil {
		return fmt.Errorf("%s:%d: a second document begins here: one file describes one cluster", path, second.Line)
	}
	return nil
}

// located turns yaml's errors ("yaml: line 3: …") into file:line.
func located(path string, err error) error {
	var wrong *yaml.TypeError
	// The parser names the line where the block began that it could not finish.
	lines, hint := []string{strings.TrimPrefix(err.Error(), "yaml: ")}, "not valid YAML, here or below: "
	if errors.As(err, &wrong) {
		lines, hint = wrong.Errors, ""
	}
	numbered := regexp.MustCompile(`^line (\d+): `)
	var all []error
	for _, l := range lines {
		if m := numbered.FindStringSubmatch(l); m != nil {
			all = append(all, fmt.Errorf("%s:%s: %s%s", path, m[1], hint, l[len(m[0]):]))
		} else {
			all = append(all, fmt.Errorf("%s: %s%s", path, hint, l))
		}
	}
	return errors.Join(all...)
}

// joined writes problems as errors with the lines that they are about.
func joined(path string, root *yaml.Node, list []problem) error {
	var all []error
	for _, p := range list {
		all = append(all, fmt.Errorf("%s:%d: %w", path, lineOf(root, p), p))
	}
	return errors.Join(all...)
}

// Find gives the configuration file to use when none was named: that of
// $SALVOR_CONFIG, else ./salvor.yaml, else /etc/salvor/salvor.yaml. The error
// wraps fs.ErrNotExist when there is none.
func Find() (string, error) {
	if path := os.Getenv("SALVOR_CONFIG"); path != "" {
		if _, err := os.Stat(path); err != nil {
			return "", fmt.Errorf("find configuration: $SALVOR_CONFIG: %w", err)
		}
		return path, nil
	}
	places := []string{"salvor.yaml", "/etc/salvor/salvor.yaml"}
	for _, path := range places {
		_, err := os.Stat(path)
		if err == nil {
			return path, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("find configuration: %w", err)
		}
	}
	return "", fmt.Errorf("find configuration: neither ./%s nor %s: %w",
		places[0], places[1], fs.ErrNotExist)
}
