package cluster

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
)

// TestIDsStayWhole: an ID near the end of 64 bits comes back exactly from JSON,
// through readers that know only floating point, too: it is a string there.
func TestIDsStayWhole(t *testing.T) {
	const real = ID(18051144144060470833)
	for _, id := range []ID{0, 1, real, math.MaxUint64} {
		in := LiveMember{MemberID: id, ClusterID: id, Leader: id, Members: Is([]MemberEntry{{ID: id}}), Alarms: Is([]Alarm{{MemberID: id}})}
		b, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		var loose any // as jq reads and writes it
		if err := json.Unmarshal(b, &loose); err != nil {
			t.Fatal(err)
		}
		if b, err = json.Marshal(loose); err != nil {
			t.Fatal(err)
		}
		var out LiveMember
		if err := json.Unmarshal(b, &out); err != nil || !reflect.DeepEqual(in, out) {
			t.Errorf("%s became %+v, %v", id, out, err)
		}
	}
}

// TestIDsAreIDs: no field of the facts holds an ID as a mere number.
func TestIDsAreIDs(t *testing.T) {
	seen, ids := map[reflect.Type]bool{}, 0
	var walk func(reflect.Type, string)
	walk = func(ty reflect.Type, at string) {
		switch ty.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
			walk(ty.Elem(), at)
			return
		case reflect.Struct:
		default:
			return
		}
		if seen[ty] {
			return
		}
		seen[ty] = true
		for f := range ty.Fields() {
			name := at + "." + f.Name
			isID := strings.HasSuffix(f.Name, "ID") && f.Name != "UID" && f.Name != "PID" && f.Name != "KubeSystemUID" || f.Name == "Leader" || f.Name == "Vote"
			switch k := f.Type.Kind(); {
			case f.Type == reflect.TypeFor[ID]():
				ids++
			case isID && k >= reflect.Int && k <= reflect.Float64:
				t.Errorf("%s is a %s, not an ID", name, f.Type)
			}
			walk(f.Type, name)
		}
	}
	walk(reflect.TypeFor[Facts](), "Facts")
	if ids < 6 {
		t.Errorf("only %d IDs were found in the facts: the search is broken", ids)
	}
}

// TestRoundedIDs: what jq makes of an ID is known for what it is.
func TestRoundedIDs(t *testing.T) {
	const real, rounded = ID(18051144144060470833), "18051144144060471000"
	id, ok, err := ReadDecimalID(rounded)
	if !ok || err == nil {
		t.Errorf("%s: %t, %v", rounded, ok, err)
	}
	if found, ok := id.Unrounded([]ID{7, real, 1 << 60}); !ok || found != real {
		t.Errorf("%s is not %s", rounded, found)
	}
	for name, known := range map[string][]ID{"itself": {real, id}, "two": {real, real + 1}, "none": {7}} {
		if found, ok := id.Unrounded(known); ok {
			t.Errorf("%s: %s", name, found)
		}
	}
	if id, ok, err := ReadDecimalID("18051144144060470833"); !ok || err != nil || id != real {
		t.Errorf("the exact one: %s, %t, %v", id, ok, err)
	}
	for _, text := range []string{"etcd-wal-damaged", "8e9e05c52164694d", "137", ""} {
		if _, ok, _ := ReadDecimalID(text); ok {
			t.Errorf("%q counts as a decimal ID", text)
		}
	}
	var none ID
	if err := none.UnmarshalText([]byte(rounded)); err == nil || !strings.Contains(err.Error(), "jq") {
		t.Errorf("%v", err)
	}
	if err := none.UnmarshalText([]byte("18051144144060470833")); err == nil || !strings.Contains(err.Error(), real.String()) {
		t.Errorf("%v", err)
	}
}
