package daemon_test

import (
	"os"
	"testing"

	"github.com/wsctl/wsctl/internal/wstest"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if !testing.Short() {
		wstest.RemoveBinaries()
	}
	os.Exit(code)
}
