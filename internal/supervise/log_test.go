package supervise

import "testing"

func TestLastWords(t *testing.T) {
	for _, c := range []struct{ log, want string }{
		{"", ""},
		{"flag provided but not defined: -x\n", "flag provided but not defined: -x"},
		{`{"level":"error","msg":"a","error":"b"}` + "\n" + `{"level":"info","msg":"c"}`, "a: b"},
		{`{"level":"fatal","msg":"a"}` + "\n" + `{"level":"fatal","msg":"z","error":"b"}` + "\n" + `{"level":"error","msg":"c"}` + "\nx", "z: b"},
		{"2026-01-01\tfatal\tetcdmain\tno\nmore", "2026-01-01\tfatal\tetcdmain\tno"},
		{"panic: runtime error\n\ngoroutine 1 [running]:\n", "panic: runtime error"},
	} {
		if got := lastWords(c.log); got != c.want {
			t.Errorf("%q: %q, want %q", c.log, got, c.want)
		}
	}
}
