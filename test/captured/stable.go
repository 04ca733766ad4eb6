package captured

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"reflect"
	"regexp"
	"sort"
	"strings"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
)

// at is when every fixture was observed.
func at() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

// stable takes out of facts what belongs to the machine and the moment at which
// they were gathered: folders, names, addresses, ports, process numbers, IDs of
// clusters and members, times. What equals stays equal, and all times keep their
// distances.
func stable(f cluster.Facts, w Where) (cluster.Facts, error) {
	machines(&f)
	b, err := json.Marshal(f)
	if err != nil {
		return f, err
	}
	text := string(b)
	for _, r := range names(f, w.Names) {
		text = strings.ReplaceAll(text, r.from, r.to)
	}
	text = times(text, f.At)
	text = each(text, `127\.0\.0\.1:\d{4,5}`, func(i int) string { return fmt.Sprintf("127.0.0.1:%d", 10001+i) })
	text = each(text, `-port=\d{4,5}`, func(i int) string { return fmt.Sprintf("-port=%d", 20001+i) })
	known := ids(reflect.ValueOf(f))
	text = eachOf(text, `\b[0-9a-f]{12,16}\b`, func(s string) bool { return known[s] }, func(i int) string { return fmt.Sprintf("%x", uint64(0xe7cd)<<48+uint64(i)+1) })
	text = uids(text)
	if text, err = clean(text, w.Redact); err != nil {
		return f, err
	}
	var out cluster.Facts
	return out, json.Unmarshal([]byte(text), &out)
}

// machines gives processes small numbers, and this machine a name of its own.
func machines(f *cluster.Facts) {
	next := 1000
	own, err := os.Hostname()
	for i := range f.Hosts {
		h := &f.Hosts[i]
		if r := &h.Reached.Value; err == nil && r.Hostname == own {
			r.Hostname = "machine"
		}
		for j := range h.Members {
			if p := &h.Members[j].Process.Value; p.PID != 0 {
				next++
				p.PID = next
			}
		}
		for name, seen := range h.Node.Kubernetes.Value.Running.Value {
			seen.PID = 1
			h.Node.Kubernetes.Value.Running.Value[name] = seen
		}
	}
}

type replaced struct{ from, to string }

// names are what has to be replaced as it stands, the longest first.
func names(f cluster.Facts, given map[string]string) []replaced {
	var out []replaced
	for from, to := range given {
		out = append(out, replaced{from, to})
	}
	if host, err := os.Hostname(); err == nil && len(host) > 3 {
		out = append(out, replaced{host, "machine"})
	}
	seen := map[string]bool{}
	for _, h := range f.Hosts {
		for _, a := range h.Node.Addresses.Value {
			if ip, err := netip.ParseAddr(a); err == nil && !seen[a] && !public(ip) {
				seen[a] = true
				to := fmt.Sprintf("192.0.2.%d", len(seen))
				if ip.Is6() {
					to = fmt.Sprintf("2001:db8::%x", len(seen))
				}
				out = append(out, replaced{a, to})
			}
		}
	}
	sort.Slice(out, func(i, j int) bool {
		if len(out[i].from) != len(out[j].from) {
			return len(out[i].from) > len(out[j].from)
		}
		return out[i].from < out[j].from
	})
	return out
}

// public tells the addresses that are the same wherever the lab stands.
func public(ip netip.Addr) bool {
	for _, p := range []string{"127.0.0.0/8", "10.77.0.0/24", "10.96.0.0/12", "10.244.0.0/16"} {
		if netip.MustParsePrefix(p).Contains(ip) {
			return true
		}
	}
	return ip.IsLoopback() || ip.IsUnspecified()
}

// times moves every time by as much as makes from the moment of all fixtures.
func times(text string, from time.Time) string {
	by := at().Sub(from)
	iso := regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)`)
	text = iso.ReplaceAllStringFunc(text, func(s string) string {
		t, err := time.Parse(time.RFC3339Nano, s)
		if err != nil || t.Year() < 1990 {
			return s
		}
		return t.Add(by).UTC().Truncate(time.Millisecond).Format(time.RFC3339Nano)
	})
	// klog's, of the year and in the zone of this machine
	klog := regexp.MustCompile(`\b([IWEF])(\d{4} \d\d:\d\d:\d\d\.\d{6})`)
	return klog.ReplaceAllStringFunc(text, func(s string) string {
		t, err := time.ParseInLocation("2006 0102 15:04:05.000000", fmt.Sprintf("%d %s", from.Year(), s[1:]), time.Local)
		if err != nil {
			return s
		}
		return s[:1] + t.Add(by).UTC().Format("0102 15:04:05.000000")
	})
}

// each replaces every different text of a form by one of its own, counted.
func each(text, form string, to func(i int) string) string {
	return eachOf(text, form, func(string) bool { return true }, to)
}

func eachOf(text, form string, wanted func(string) bool, to func(i int) string) string {
	given := map[string]string{}
	return regexp.MustCompile(form).ReplaceAllStringFunc(text, func(s string) string {
		if !wanted(s) {
			return s
		}
		if given[s] == "" {
			given[s] = to(len(given))
		}
		return given[s]
	})
}

// uids gives Kubernetes' objects UIDs of their own, but for those whose beginning
// alone stands elsewhere: it has to stay the same.
func uids(text string) string {
	short := func(s string) bool { return strings.Contains(text, `"`+s[:8]+`"`) }
	return eachOf(text, `\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b`, func(s string) bool { return !short(s) },
		func(i int) string { return fmt.Sprintf("%08x-0000-4000-8000-000000000000", i+1) })
}

// ids are the IDs of clusters and members that facts name, but for those that a
// restore without names gives to everybody.
func ids(v reflect.Value) map[string]bool {
	out := map[string]bool{}
	var walk func(v reflect.Value)
	walk = func(v reflect.Value) {
		switch v.Kind() {
		case reflect.Struct:
			for i := range v.NumField() {
				walk(v.Field(i))
			}
		case reflect.Slice, reflect.Array:
			for i := range v.Len() {
				walk(v.Index(i))
			}
		case reflect.Map:
			for _, k := range v.MapKeys() {
				walk(v.MapIndex(k))
			}
		case reflect.Pointer, reflect.Interface:
			if !v.IsNil() {
				walk(v.Elem())
			}
		case reflect.Uint64:
			if v.Type() == reflect.TypeFor[cluster.ID]() {
				out[cluster.ID(v.Uint()).String()] = true
			}
		}
	}
	walk(v)
	delete(out, "8e9e05c52164694d")
	delete(out, "cdf818194e3a8c32")
	return out
}

// short writes a fixture without what is empty: reading it gives the same.
func short(f Fixture) ([]byte, error) {
	b, err := json.Marshal(f)
	if err != nil {
		return nil, err
	}
	in := json.NewDecoder(bytes.NewReader(b))
	in.UseNumber()
	var doc any
	if err := in.Decode(&doc); err != nil {
		return nil, err
	}
	doc, _ = prune(doc)
	return json.MarshalIndent(doc, "", " ")
}

// prune takes what is empty out of objects; false when nothing is left.
func prune(v any) (any, bool) {
	switch v := v.(type) {
	case nil:
		return nil, false
	case bool:
		return v, v
	case string:
		return v, v != "" && v != "0001-01-01T00:00:00Z"
	case json.Number:
		return v, v != "0"
	case []any:
		for i := range v {
			v[i], _ = prune(v[i]) // its place counts
		}
		return v, len(v) > 0
	case map[string]any:
		for k := range v {
			if x, ok := prune(v[k]); ok {
				v[k] = x
			} else {
				delete(v, k)
			}
		}
		return v, len(v) > 0
	}
	return v, true
}

// clean cuts secrets out of every text of a JSON document.
func clean(text string, redact func([]byte) []byte) (string, error) {
	in := json.NewDecoder(strings.NewReader(text))
	in.UseNumber()
	var doc any
	if err := in.Decode(&doc); err != nil {
		return "", err
	}
	var walk func(v any) any
	walk = func(v any) any {
		switch v := v.(type) {
		case string:
			return string(redact([]byte(v)))
		case []any:
			for i := range v {
				v[i] = walk(v[i])
			}
		case map[string]any:
			for k := range v {
				v[k] = walk(v[k])
			}
		}
		return v
	}
	var b bytes.Buffer
	err := json.NewEncoder(&b).Encode(walk(doc))
	return b.String(), err
}
