package wstest

import (
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if !testing.Short() {
		RemoveBinaries()
	}
	os.Exit(code)
}

// A wsd that lives makes anew what is taken away from it.
func TestObjectsAreRemovedAfterTheDaemonHasEnded(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and runs the real program")
	}
	var swept []string
	t.Run("a test", func(t *testing.T) {
		p := NewProcess(t, "WSD_DRIVER=memory")
		p.sweep = func(instance string) {
			if !p.Dead() {
				t.Error("the daemon still runs")
			}
			swept = append(swept, instance)
		}
		p.Start()
	})
	if len(swept) != 1 || swept[0] == "" {
		t.Errorf("swept %q, want the one instance", swept)
	}
}
