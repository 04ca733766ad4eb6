package diagnose_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/diagnose"
	"github.com/salvor-project/salvor/internal/diagnose/stories"
)

func unready(w *stories.World, n string) *stories.World {
	w.API(n).Layer, w.API(n).Ready = cluster.LayerNone, cluster.Unknown[cluster.APIHealth]("connection refused")
	return w
}

// TestOutOfMemory: who started a process knows that its control group ran out of
// memory; a SIGKILL alone says so only where the kernel cannot be heard and nothing
// else explains it.
func TestOutOfMemory(t *testing.T) {
	deaf := func(w *stories.World) { w.Node("m2").Kernel = cluster.Unknown[[]cluster.Sign]("no journal") }
	for name, x := range map[string]struct {
		change func(*stories.World)
		want   diagnose.Confidence
	}{
		"OOMKilled":       {func(w *stories.World) { w.Ended("m2", "kube-apiserver", "OOMKilled", 137, 300) }, diagnose.Certain},
		"OOMKilled, deaf": {func(w *stories.World) { deaf(w); w.Ended("m2", "kube-apiserver", "OOMKilled", 137, 300) }, diagnose.Certain},
		"137, and the kernel says nothing of memory": {func(w *stories.World) { w.Ended("m2", "kube-apiserver", "Error", 137, 300) }, ""},
		"137, and the kernel cannot be heard":        {func(w *stories.World) { deaf(w); w.Ended("m2", "kube-apiserver", "Error", 137, 300) }, diagnose.Possible},
		"137, and it runs again": {func(w *stories.World) {
			deaf(w)
			w.Ended("m2", "kube-apiserver", "Error", 137, 300)
			w.Node("m2").Containers.Value[1].State = "running"
		}, ""},
		"137 without a quorum: probes": {func(w *stories.World) {
			deaf(w)
			w.Ended("m2", "kube-apiserver", "Error", 137, 300).Dead("m1", "m3")
			w.M("m2").Live.Value.Linearizable = cluster.Is(false)
		}, ""},
		"OOMKilled an hour ago, and it is still down": {func(w *stories.World) {
			w.Ended("m2", "kube-apiserver", "OOMKilled", 137, 300)
			w.Node("m2").Containers.Value[1].Last.Value.Ended = w.Facts.At.Add(-time.Hour)
		}, diagnose.Possible},
		"OOMKilled an hour ago, and it runs again": {func(w *stories.World) {
			w.Ended("m2", "kube-apiserver", "OOMKilled", 137, 300)
			w.Node("m2").Containers.Value[1].Last.Value.Ended = w.Facts.At.Add(-time.Hour)
			w.Node("m2").Containers.Value[1].State = "running"
		}, ""},
		"of yesterday": {func(w *stories.World) {
			w.Ended("m2", "kube-apiserver", "OOMKilled", 137, 300)
			w.Node("m2").Containers.Value[1].Last.Value.Ended = w.Facts.At.Add(-20 * time.Hour)
		}, ""},
		"the kernel alone": {func(w *stories.World) { w.Said("m2", "kernel", cluster.SaidOOM, 1) }, diagnose.Likely},
	} {
		w := stories.Control()
		x.change(w)
		f, found := find(diagnose.Diagnose(w.Facts), diagnose.OutOfMemory)
		if found != (x.want != "") || f.Confidence != x.want || x.want == diagnose.Possible && len(f.Against) == 0 {
			t.Errorf("%s: found %t, %s, %v, against %v", name, found, f.Confidence, f.Evidence, f.Against)
		}
	}
}

// TestWhatWasKilledExplainsLittle: a SIGKILL that may have been the kernel's is not
// told as why an API server is down; a kill for want of memory of a moment ago is.
func TestWhatWasKilledExplainsLittle(t *testing.T) {
	for _, c := range []struct {
		reason string
		want   bool
	}{{"Error", false}, {"OOMKilled", true}} {
		w := stories.Control()
		w.Node("m2").Kernel = cluster.Unknown[[]cluster.Sign]("no journal")
		w.Ended("m2", "kube-apiserver", c.reason, 137, 300)
		for i := range w.Node("m2").APIServers {
			if a := &w.Node("m2").APIServers[i]; a.Direct {
				a.Layer, a.Why, a.Ready = cluster.LayerNone, "connection refused", cluster.Unknown[cluster.APIHealth]("connection refused")
			}
		}
		d := diagnose.Diagnose(w.Facts)
		f, found := find(d, diagnose.APIDown)
		if _, killed := find(d, diagnose.OutOfMemory); !found || !killed || slices.Contains(f.CausedBy, diagnose.OutOfMemory) != c.want {
			t.Errorf("%s: found %t, beside a kill %t, caused by %v", c.reason, found, killed, f.CausedBy)
		}
	}
}

// TestHowLongAnAPIServerRan: without its log, an API server that gave up after
// twenty seconds did not reach etcd, and one that was gone at once did not know a
// flag; neither is more than possible. Its log decides where it can be read.
func TestHowLongAnAPIServerRan(t *testing.T) {
	for name, x := range map[string]struct {
		exit    int
		seconds float64
		want    diagnose.Code
	}{
		"at once": {1, 0.6, diagnose.APIBadFlag}, "twenty seconds": {1, 20.9, diagnose.APIEtcdUnreachable},
		"in between": {1, 9, ""}, "a minute": {1, 66, ""}, "killed": {137, 20.9, ""}, "ended in order": {0, 0.6, ""},
	} {
		w := unready(stories.Control(), "m2").NoLog("m2", "kube-apiserver").Ended("m2", "kube-apiserver", "Error", x.exit, x.seconds)
		d := diagnose.Diagnose(w.Facts)
		for _, c := range []diagnose.Code{diagnose.APIBadFlag, diagnose.APIEtcdUnreachable} {
			f, found := find(d, c)
			if found != (c == x.want) || found && (f.Confidence != diagnose.Possible || len(f.Against) == 0) {
				t.Errorf("%s: %s found %t: %+v", name, c, found, f)
			}
		}
		if f, found := find(d, diagnose.APIDown); !found || !strings.Contains(strings.Join(f.Evidence, "\n"), "the last run of kube-apiserver ended") {
			t.Errorf("%s: that it is down is told without how it ended: %v", name, f.Evidence)
		}
	}
	w := unready(stories.Control(), "m2").Ended("m2", "kube-apiserver", "Error", 1, 0.6)
	for i, l := range w.Node("m2").Logs {
		if l.Component == "kube-apiserver" {
			w.Node("m2").Logs[i].Newest = w.Facts.At.Add(-time.Minute)
		}
	}
	if d := diagnose.Diagnose(w.Facts); has(d.Findings, diagnose.APIBadFlag) || has(d.Findings, diagnose.APIEtcdUnreachable) {
		t.Errorf("a log that was read and names no cause is overruled: %v", d.Findings)
	}
}

// TestHowEtcdEnded: exit code 2 is a panic and 1 a refusal, also of a member whose
// files look sound.
func TestHowEtcdEnded(t *testing.T) {
	for exit, want := range map[int]string{1: "it gave up by itself", 2: "a panic or a fault of memory"} {
		w := stories.Control().Dead("m2").Ended("m2", "etcd", "Error", exit, 1.2)
		f, found := find(diagnose.Diagnose(w.Facts), diagnose.MemberStopped)
		if !found || !strings.Contains(strings.Join(f.Evidence, "\n"), want) {
			t.Errorf("exit code %d: %t %v", exit, found, f.Evidence)
		}
	}
}

// TestImagesOfTheRuntime: how sure it is that an image is missing, by what the
// kubelet says and by what the runtime has.
func TestImagesOfTheRuntime(t *testing.T) {
	idle := func(w *stories.World) { delete(w.Kube("m2").Running.Value, "kube-scheduler") }
	absent := func(w *stories.World) { w.Image("m2", "kube-scheduler").Present = false }
	said := func(w *stories.World) { w.Said("m2", "kubelet", cluster.SaidImage, 2) }
	for name, x := range map[string]struct {
		changes []func(*stories.World)
		want    diagnose.Confidence
	}{
		"said, and absent":            {[]func(*stories.World){idle, absent, said}, diagnose.Certain},
		"absent":                      {[]func(*stories.World){idle, absent}, diagnose.Likely},
		"absent, and its pod runs":    {[]func(*stories.World){absent}, ""},
		"absent for another pod":      {[]func(*stories.World){idle, func(w *stories.World) { w.Image("m2", "etcd").Present = false }}, ""},
		"the sandbox's":               {[]func(*stories.World){idle, said, func(w *stories.World) { w.Image("m2", "sandbox").Present = false }}, diagnose.Certain},
		"the sandbox's, and all run":  {[]func(*stories.World){func(w *stories.World) { w.Image("m2", "sandbox").Present = false }}, ""},
		"said, and all are there now": {[]func(*stories.World){idle, said}, diagnose.Possible},
		"said, and nobody knows": {[]func(*stories.World){idle, said, func(w *stories.World) { w.Kube("m2").Images = cluster.Unknown[[]cluster.Image]("no socket") }},
			diagnose.Likely},
		"absent, and no kubelet pulls": {[]func(*stories.World){idle, absent, func(w *stories.World) {
			w.Kube("m2").Kubelet = cluster.Is(cluster.ServiceFacts{Unit: "kubelet", Active: "inactive", Process: cluster.Is(false), Answers: cluster.Is(false)})
		}}, ""},
	} {
		w := stories.Control()
		for _, change := range x.changes {
			change(w)
		}
		f, found := find(diagnose.Diagnose(w.Facts), diagnose.ImageMissing)
		if found != (x.want != "") || f.Confidence != x.want {
			t.Errorf("%s: found %t, %q, %v, against %v", name, found, f.Confidence, f.Evidence, f.Against)
		}
	}
}

// TestHealthNeverHeals: an etcd that calls itself healthy while it refuses
// everybody, or learns, is no more healthy for it; and what it says is wrong is
// told with what was found.
func TestHealthNeverHeals(t *testing.T) {
	for _, x := range stories.Fixtures() {
		w := stories.Control()
		x.Break(w)
		with := diagnose.Diagnose(w.Facts)
		for i := range w.Facts.Hosts {
			for j := range w.Facts.Hosts[i].Members {
				w.Facts.Hosts[i].Members[j].Health = nil
			}
		}
		without := diagnose.Diagnose(w.Facts)
		if well(with) && !well(without) {
			t.Errorf("%s: healthy by its own word", x.Code)
		}
		for _, f := range without.Findings {
			if _, still := find(with, f.Code); !still {
				t.Errorf("%s: %s is not found when etcd says that it is well", x.Code, f.Code)
			}
		}
	}
	w := stories.Control()
	w.M("m2").Live = cluster.Unknown[cluster.LiveMember]("context deadline exceeded")
	w.M("m2").Health[0].Ready = cluster.Is(cluster.APIHealth{Status: 503, Failed: []string{"linearizable_read"}, Passed: 2})
	f, found := find(diagnose.Diagnose(w.Facts), diagnose.MemberStuck)
	if !found || !strings.Contains(strings.Join(f.Evidence, "\n"), "/readyz: failed: linearizable_read") {
		t.Errorf("%t %v", found, f.Evidence)
	}
}

// TestNoTimeToAnswer: etcds that say nothing on machines without a free CPU may only
// be slow: who asks again harms nothing, and who starts them anew may.
func TestNoTimeToAnswer(t *testing.T) {
	for name, x := range map[string]struct {
		change func(*stories.World, string)
		want   diagnose.Confidence
		next   string
	}{
		"busy": {func(w *stories.World, n string) { w.Node(n).Pressure.Value.CPU.Value.Some = 91 }, diagnose.Likely, "salvor diagnose"},
		"idle": {func(*stories.World, string) {}, diagnose.Certain, "salvor recover"},
		"busy and stopped by a signal": {func(w *stories.World, n string) {
			w.Node(n).Pressure.Value.CPU.Value.Some = 91
			w.M(n).Process.Value.Frozen = true
		}, diagnose.Certain, "salvor recover"},
		"busy, and nobody listens": {func(w *stories.World, n string) {
			w.Node(n).Pressure.Value.CPU.Value.Some = 91
			w.M(n).Live = cluster.Unknown[cluster.LiveMember]("connect: connection refused")
		}, diagnose.Certain, "salvor recover"},
	} {
		w := stories.Control()
		for _, n := range []string{"m1", "m2", "m3"} {
			w.M(n).Live = cluster.Unknown[cluster.LiveMember]("context deadline exceeded")
			x.change(w, n)
		}
		d := diagnose.Diagnose(w.Facts)
		f, found := find(d, diagnose.MemberStuck)
		if !found || f.Confidence != x.want || d.Next != x.next {
			t.Errorf("%s: found %t, %s, %s, next %q", name, found, f.Confidence, d.Scenario, d.Next)
		}
	}
}
