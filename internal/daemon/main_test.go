package daemon_test

import (
	"flag"
	"os"
	"testing"

	"github.com/wsctl/wsctl/internal/wstest"
)

// atOnce is how many parallel tests run: they wait for engines and daemons, not for processors.
const atOnce = "4"

func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", atOnce); err != nil {
		panic(err)
	}
	code := m.Run()
	if !testing.Short() {
		wstest.RemoveBinaries()
	}
	os.Exit(code)
}
