package watch

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// leakyEnv makes of this test program the server that the tests watch.
const leakyEnv = "WSLOAD_WATCH_LEAKY"

func TestMain(m *testing.M) {
	if leak := os.Getenv(leakyEnv); leak != "" {
		serveLeaky(leak)
		return
	}
	goleak.VerifyTestMain(m)
}
