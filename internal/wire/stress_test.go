package wire

import (
	"context"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"
)

// A crowd is many connections whose library and owner do everything a run may
// do, at once and in no order. What must hold is that all of it ends soon, that
// no goroutine is left, and that every trace makes sense.
type crowd struct {
	*testing.T
	url    string
	dialer *Dialer
	served sync.WaitGroup
	closed atomic.Int64 // connections whose both Close frames passed
}

// manners is how many ways there are to close one.
const manners = 10

func TestACrowdThatDoesEverythingAtOnceEndsSoonAndLeavesNothing(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	const connections, limit = 160, 20 * time.Second
	c := &crowd{T: t, dialer: &Dialer{Timebase: NewTimebase(), Connect: limit, Upgrade: limit}}
	srv := httptest.NewServer(http.HandlerFunc(c.serve))
	defer srv.Close()
	c.url = "ws" + strings.TrimPrefix(srv.URL, "http")

	began := time.Now()
	var wg sync.WaitGroup
	for n := range connections {
		wg.Go(func() { c.live(n) })
	}
	wg.Wait()
	if d := time.Since(began); d > limit {
		t.Errorf("it took %v", d)
	}
	c.served.Wait()
	if n := c.closed.Load(); n < connections/manners {
		t.Errorf("only %d of %d connections had a closing handshake", n, connections)
	}
}

// serve echoes, and closes now and then by itself.
func (c *crowd) serve(w http.ResponseWriter, r *http.Request) {
	c.served.Add(1)
	defer c.served.Done()
	ws, err := websocket.Accept(w, r, nil)
	if err != nil {
		c.Errorf("accept: %v", err)
		return
	}
	defer ws.CloseNow()
	ws.SetReadLimit(-1)
	for range 50 + rand.IntN(200) {
		typ, p, err := ws.Read(context.Background())
		if err != nil {
			return
		}
		if err := ws.Write(context.Background(), typ, p); err != nil {
			return
		}
	}
	ws.Close(websocket.StatusGoingAway, "enough")
}

// live is one connection: the library reads, writes, pings and is looked at by
// several goroutines, and one of them closes.
func (c *crowd) live(n int) {
	how := n % manners
	hs := &Handshake{Dialer: c.dialer, Withhold: n%4 == 0}
	ws, _, err := websocket.Dial(context.Background(), c.url, &websocket.DialOptions{HTTPClient: &http.Client{Transport: hs}})
	if err != nil {
		c.Errorf("dial: %v", err)
		return
	}
	ws.SetReadLimit(-1)
	tap, done := hs.Tap, make(chan struct{})
	var wg sync.WaitGroup
	again := func(f func() bool) {
		wg.Go(func() {
			for f() {
				select {
				case <-done:
					return
				case <-time.After(time.Duration(rand.IntN(300)) * time.Microsecond):
				}
			}
		})
	}
	for size := range 2 {
		p := make([]byte, 10+size*20000)
		again(func() bool { return ws.Write(context.Background(), websocket.MessageBinary, p) == nil })
	}
	again(func() bool { tap.Ping(); return true })
	again(func() bool { tap.SetDeadline(tap.tb.Now() + time.Minute); return true })
	again(func() bool { c.check(tap.Trace(), how); return true })
	wg.Go(func() {
		time.Sleep(time.Duration(rand.IntN(60)) * time.Millisecond)
		c.close(ws, tap, how)
	})
	for err == nil {
		_, _, err = ws.Read(context.Background())
	}
	if n%5 == 0 {
		time.AfterFunc(time.Duration(rand.IntN(3000))*time.Microsecond, tap.Interrupt)
	}
	c.own(tap, how)
	close(done)
	tap.Interrupt()
	wg.Wait()
	ws.CloseNow()
	tap.Shut()
	tr := tap.Trace()
	c.check(tr, how)
	if tr.Cut.Set() != cuts(how) || !tr.Shut.Set() {
		c.Errorf("manner %d: at the end %+v", how, tr)
	}
	if tr.State == Closed {
		c.closed.Add(1)
	}
}

// close ends what the library does, in the given manner.
func (c *crowd) close(ws *websocket.Conn, tap *Tap, how int) {
	switch how {
	case 0:
		ws.Close(websocket.StatusNormalClosure, "done")
	case 1:
		ws.CloseNow()
	case 2:
		tap.Interrupt()
	case 3:
		tap.SetDeadline(tap.tb.Now())
		tap.LetGo()
	case 6, 7:
		// Two may want to be the one; the library reads on.
		var other sync.WaitGroup
		other.Go(func() { tap.WriteClose(CodeNormal, "", tap.tb.Now()+time.Second) })
		err := tap.WriteClose(CodeNormal, "", tap.tb.Now()+time.Second)
		other.Wait()
		if _, late := tap.Write(make([]byte, 8)); late == nil && tap.Trace().OwnCloseDone {
			c.Errorf("manner %d: the library wrote behind the own Close", how)
		}
		if tr := tap.Trace(); err != nil && !tr.OwnCloseDone {
			tap.LetGo()
		}
	case 8:
		if tap.CloseWrite(tap.tb.Now()+time.Second) != nil {
			tap.LetGo()
		}
	case 9:
		tap.WriteRaw(AppendFrame(nil, OpText, make([]byte, 100), true, [4]byte{})[:50], tap.tb.Now()+time.Second)
		tap.LetGo()
	default:
		tap.LetGo()
	}
}

// own is the owner's part after the library's last read.
func (c *crowd) own(tap *Tap, how int) {
	var buf [4096]byte
	limit := tap.tb.Now() + 500*time.Millisecond
	switch how {
	case 4, 5, 9:
		tap.LetGo()
		tap.Cut(how != 4)
		return
	case 0, 6, 7, 8:
		// The own Close, or FIN, is the library's or the closer's.
	default:
		tap.LetGo()
		tap.WriteClose(CodeNormal, "", limit)
	}
	for tap.Next(buf[:], limit) == nil {
	}
	tap.Confirm(limit)
}

// cuts reports whether a manner ends with a cut.
func cuts(how int) bool { return how == 4 || how == 5 || how == 9 }

// check compares what a trace says with itself.
func (c *crowd) check(tr Trace, how int) {
	if tr.Both() != (tr.State == Closed) && !tr.Cut.Set() {
		c.Errorf("manner %d: both Close frames %t, %+v", how, tr.Both(), tr)
	}
	if (tr.Ending != None || tr.Cut.Set()) && tr.State != Closed && tr.State != Aborted {
		c.Errorf("manner %d: ended, and %+v", how, tr)
	}
	if tr.Received > tr.Sent || tr.Rule != NoRule {
		c.Errorf("manner %d: an echo server did %+v", how, tr)
	}
	// A cut by FIN becomes one by RST where the peer sends without pause.
	if tr.Cut.Set() && tr.Reset != (how != 4) && !tr.Unread {
		c.Errorf("manner %d: cut with RST %t", how, tr.Reset)
	}
	if tr.HalfClose.Set() && how != 8 {
		c.Errorf("manner %d: half closed", how)
	}
	if tr.Ending == Failed {
		c.Errorf("manner %d: failed with %v", how, tr.Errno)
	}
}
