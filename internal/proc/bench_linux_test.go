package proc

import (
	"os"
	"testing"
)

// bench counts CPU time too: on a loaded machine the time that passes says
// little.
func bench(b *testing.B, look func() error) {
	before := Self().CPU.N
	for b.Loop() {
		if err := look(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(Self().CPU.N-before)/float64(b.N), "cpu-ns/op")
}

func BenchmarkSocketsOn(b *testing.B) {
	bench(b, func() error {
		_, err := SocketsOn(9)
		return err
	})
}

func BenchmarkTheTablesOfAllSockets(b *testing.B) {
	bench(b, func() error { return readTables(os.DirFS("/proc"), 9, allStates, func(socket) {}) })
}

func BenchmarkOf(b *testing.B) {
	bench(b, func() error {
		Of(os.Getpid())
		return nil
	})
}

func BenchmarkHolders(b *testing.B) {
	_, port := listen(b, "127.0.0.1:0")
	bench(b, func() error {
		_, err := Holders(port)
		return err
	})
}
