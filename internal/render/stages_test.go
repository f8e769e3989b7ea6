package render

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/workspace"
)

func TestStagesOfACreate(t *testing.T) {
	at := time.Date(2030, 1, 31, 12, 0, 0, 0, time.UTC)
	progress := func(pairs ...string) event.Signal {
		s := event.Signal{Kind: event.Progress, Detail: map[string]string{}}
		for _, p := range pairs {
			k, v, _ := strings.Cut(p, "=")
			s.Detail[k] = v
		}
		return s
	}
	var s Stages
	s.State(at, workspace.Creating)
	s.Signal(at.Add(time.Second), progress("stage=image", "current=1048576", "total=4194304"))
	s.State(at.Add(2*time.Second), workspace.Creating) // says less than the signal
	s.Signal(at.Add(3*time.Second), event.Signal{Kind: event.PortOpened, Detail: map[string]string{"stage": "none"}})
	now := at.Add(3 * time.Second)
	if text, took := s.Current().Line(now, 60); strings.TrimSpace(text) != "getting the image 25 %, 1 MiB of 4 MiB" || took != "2.0 s" {
		t.Errorf("the download is %q, %q", text, took)
	}
	s.Signal(now, progress("stage=build", "line=Step 1/2 \x1b[2J"))
	s.Signal(now, progress("stage=new-one"))
	s.End(now, false)
	var got []string
	for _, stage := range s.All {
		mark, _ := stage.Mark()
		got = append(got, mark+" "+stage.Name)
		if strings.Contains(stage.Detail, "\x1b") || stage.Ended.IsZero() {
			t.Errorf("%+v", stage)
		}
	}
	if want := "✓ making the workspace, ✓ getting the image, ✓ building the image, ✗ new-one"; strings.Join(got, ", ") != want {
		t.Errorf("the stages are %s, want %s", strings.Join(got, ", "), want)
	}
	if s.Current() != nil {
		t.Error("something goes on")
	}
}

func TestStagesAreBounded(t *testing.T) {
	w := &terminal{}
	p := NewProgress(w, true, Palette{}, func() int { return 80 })
	for i := range 5 * maxStages {
		p.Stage("stage "+strconv.Itoa(i), "")
	}
	p.Close(true)
	if len(p.stages.All) > maxStages {
		t.Errorf("%d stages are kept", len(p.stages.All))
	}
	if n := strings.Count(w.b.String(), "\n"); n != 5*maxStages {
		t.Errorf("%d lines of %d stages", n, 5*maxStages)
	}
}
