package wire

import (
	"net"
	"net/netip"
	"os"
	"os/exec"
	"syscall"
	"testing"
)

func TestADialComesFromTheChosenAddress(t *testing.T) {
	l, accept := listen(t)
	for _, want := range []string{"127.0.0.5", "127.0.0.6"} {
		h := &Handshake{Dialer: dialer(), Local: netip.MustParseAddr(want)}
		k := h.opening(t, t.Context(), "ws://"+l.Addr().String())
		p := accept()
		p.upgrade(nil)
		if err := k.wait(); err != nil {
			t.Fatal(err)
		}
		if got := p.tcp.RemoteAddr().(*net.TCPAddr).IP.String(); got != want {
			t.Errorf("the dial came from %s, want %s", got, want)
		}
	}
}

func TestAnAddressThatIsNotOfThisHostIsTheToolsFault(t *testing.T) {
	l, _ := listen(t)
	h := &Handshake{Dialer: dialer(), Local: netip.MustParseAddr("192.0.2.1")} // RFC 5737: documentation
	h.opening(t, t.Context(), "ws://"+l.Addr().String()).
		wantRefusal("eaddrnotavail", true, "cannot assign requested address")
}

// The limit is that of a whole process, so it is met in a process of its own.
func TestADialBeyondTheDescriptorLimitIsTheToolsFault(t *testing.T) {
	const child = "WIRE_TEST_FEW_DESCRIPTORS"
	l, _ := listen(t)
	if os.Getenv(child) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
		cmd.Env = append(os.Environ(), child+"=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 32, Max: 32}); err != nil {
		t.Fatal(err)
	}
	for range 32 {
		f, err := os.Open(os.DevNull)
		if err != nil {
			break
		}
		defer f.Close()
	}
	h := &Handshake{Dialer: dialer()}
	h.opening(t, t.Context(), "ws://"+l.Addr().String()).wantRefusal("emfile", true, "too many open files")
}
