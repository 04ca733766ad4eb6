package diagnose_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// copied gives a deep copy: what a test changes in it leaves the original
// alone. The properties take thousands of copies of captured facts, and JSON
// there and back takes longer than to judge them.
func copied[T any](v T) T {
	out := reflect.New(reflect.TypeFor[T]()).Elem()
	copyInto(out, reflect.ValueOf(v))
	return out.Interface().(T)
}

func copyInto(to, from reflect.Value) {
	switch from.Kind() {
	case reflect.Pointer:
		if !from.IsNil() {
			to.Set(reflect.New(from.Type().Elem()))
			copyInto(to.Elem(), from.Elem())
		}
	case reflect.Slice:
		if !from.IsNil() {
			to.Set(reflect.MakeSlice(from.Type(), from.Len(), from.Len()))
			for i := range from.Len() {
				copyInto(to.Index(i), from.Index(i))
			}
		}
	case reflect.Map:
		if !from.IsNil() {
			to.Set(reflect.MakeMapWithSize(from.Type(), from.Len()))
			for k, v := range from.Seq2() {
				c := reflect.New(v.Type()).Elem()
				copyInto(c, v)
				to.SetMapIndex(k, c)
			}
		}
	case reflect.Struct:
		if from.Type() == reflect.TypeFor[time.Time]() {
			to.Set(from)
			return
		}
		for i := range from.NumField() {
			copyInto(to.Field(i), from.Field(i))
		}
	default:
		to.Set(from)
	}
}

// TestCopied: a copy is the same, and shares nothing.
func TestCopied(t *testing.T) {
	type part struct {
		At    time.Time
		Names []string
		By    map[string][]int
		To    *int
	}
	n := 1
	was := []part{{At: time.Unix(1, 0), Names: []string{"a"}, By: map[string][]int{"x": {1}}, To: &n}, {}}
	got := copied(was)
	if diff := cmp.Diff(was, got); diff != "" {
		t.Fatal(diff)
	}
	got[0].Names[0], got[0].By["x"][0], *got[0].To = "b", 2, 2
	if was[0].Names[0] != "a" || was[0].By["x"][0] != 1 || n != 1 {
		t.Errorf("the copy shares its parts: %+v", was)
	}
}
