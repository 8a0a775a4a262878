package watch

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// leakyEnv makes of this test program the server that the tests watch, at
// leakyAddr.
const (
	leakyEnv  = "WATCH_TEST_LEAKY"
	leakyAddr = "WATCH_TEST_ADDR"
)

func TestMain(m *testing.M) {
	if leak := os.Getenv(leakyEnv); leak != "" {
		serveLeaky(leak, os.Getenv(leakyAddr))
		return
	}
	goleak.VerifyTestMain(m)
}
