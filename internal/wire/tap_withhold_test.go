package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/wsload/wsload/internal/memnet"
)

// numbered is n messages, "1" to "n".
func numbered(n int) (messages []string) {
	for i := range n {
		messages = append(messages, fmt.Sprint(i+1))
	}
	return messages
}

// texts frames messages.
func texts(messages []string) (all [][]byte) {
	for _, m := range messages {
		all = append(all, text(m))
	}
	return all
}

// withheld is what comes before the peer's Close and how it is cut.
var withheld = []struct {
	name     string
	behind   []byte   // comes with the 101
	segments [][]byte // each arrives alone
	want     []string // what the library reads before its read ends
	messages uint64   // that the wire counts
}{
	{"a Close alone",
		nil, [][]byte{closing(1000, "bye")}, nil, 0},
	{"a message before the Close in the same segment",
		nil, [][]byte{frames(text("last word"), closing(1000, "bye"))}, []string{"last word"}, 1},
	{"201 messages before the Close in one segment",
		nil, [][]byte{frames(append(texts(numbered(201)), closing(1000, "bye"))...)}, numbered(201), 201},
	{"201 messages and the Close, each in a segment of its own",
		nil, append(texts(numbered(201)), closing(1000, "bye")), numbered(201), 201},
	{"a Close in the middle of fragments",
		nil, [][]byte{frames(text("one"), fragment(OpText, "tw"), closing(1000, "bye"))}, []string{"one"}, 1},
	{"a Close whose header is cut after one byte",
		nil, [][]byte{frames(text("one"), closing(1000, "bye")[:1]), closing(1000, "bye")[1:]}, []string{"one"}, 1},
	{"a Close of which each byte is a segment",
		nil, slices.Collect(slices.Chunk(closing(1000, "bye"), 1)), nil, 0},
	{"a ping before the Close is the library's to answer",
		nil, [][]byte{frames(serverFrame(OpPing, "p"), closing(1000, "bye"))}, nil, 0},
	{"a Close that comes with the 101",
		closing(1000, "bye"), nil, nil, 0},
	{"messages and a Close that come with the 101",
		frames(text("one"), text("two"), closing(1000, "bye")), nil, []string{"one", "two"}, 2},
	{"a Close of which a part comes with the 101",
		frames(text("one"), closing(1000, "bye")[:3]), [][]byte{closing(1000, "bye")[3:]}, []string{"one"}, 1},
	{"more behind the 101 than one read of the library takes",
		frames(append(texts(numbered(2000)), closing(1000, "bye"))...), nil, numbered(2000), 2000},
}

func TestAWithheldCloseIsTheOwnersToAnswer(t *testing.T) {
	for _, tc := range withheld {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := openMem(t, memnet.Options{}, opening{withhold: true, behind: tc.behind})
				var got []string
				reader := beside(t, func() error {
					for {
						_, p, err := c.ws.Read(context.Background())
						if err != nil {
							return err
						}
						got = append(got, string(p))
					}
				})
				for _, s := range tc.segments {
					c.peer.send(s)
					synctest.Wait()
				}
				if err := reader.after(0); !errors.Is(err, ErrHandover) {
					t.Errorf("the library's Read ended with %v", err)
				}
				if !slices.Equal(got, tc.want) {
					t.Errorf("the library read %d messages %.60q, want %d", len(got), got, len(tc.want))
				}
				c.tap.LetGo()
				c.answer(tc.messages)
			})
		})
	}
}

// answer plays the owner's part after the handover, and the peer's after that.
func (c *client) answer(messages uint64) {
	c.Helper()
	for !c.tap.Trace().PeerClose.Set() {
		if err := c.next(time.Second); err != nil {
			c.Fatalf("the owner reads the rest of the Close: %v", err)
		}
	}
	if tr := c.wantTrace(CloseReceived, None); tr.Received != messages || tr.PeerCode != 1000 || tr.PeerReason != "bye" {
		c.Errorf("%d messages, then Close %d %q, want %d, 1000 bye", tr.Received, tr.PeerCode, tr.PeerReason, messages)
	}
	if err := c.tap.WriteClose(4001, "answered", c.tb.Now()+time.Second); err != nil {
		c.Fatalf("the owner's Close: %v", err)
	}
	for { // the library may have answered a ping before
		f, err := c.peer.read()
		if f.op == OpPong && err == nil {
			continue
		}
		if want := (frame{op: OpClose, fin: true, masked: true, payload: "\x0f\xa1answered"}); err != nil || f != want {
			c.Fatalf("the peer read %v, %v, want %v", f, err, want)
		}
		break
	}
	c.peer.close()
	if tr := c.wantEnding(Closed, FIN); tr.OwnCode != 4001 || tr.OwnClose.At < tr.PeerClose.At {
		c.Errorf("at the end %+v", tr)
	}
}

func TestATapThatDoesNotWithholdPassesTheCloseOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openMem(t, memnet.Options{}, opening{})
		c.peer.send(text("last word"), closing(1001, "going away"))
		c.wantText("last word")
		err := c.reading().after(0)
		if got := websocket.CloseStatus(err); got != 1001 {
			t.Errorf("the library's Read ended with %v", err)
		}
		// The library has answered by itself and let go.
		c.peer.wantClose(1001, "going away")
		tr := c.wantTrace(Closed, None)
		if tr.OwnClose.At < tr.PeerClose.At || tr.OwnCode != 1001 || !tr.Both() {
			t.Errorf("the pair of Close frames reads %+v", tr)
		}
		time.Sleep(time.Second)
		c.peer.close()
		if tr := c.wantEnding(Closed, FIN); tr.End.At != c.tb.Now() {
			t.Errorf("FIN at %v, want %v", tr.End.At, c.tb.Now())
		}
	})
}

func TestTheLibrarysAnswerFollowsThePeersCloseInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// The answer waits behind a message that the peer takes its time to read.
		c := openMem(t, memnet.Options{Window: 2048}, opening{})
		big := make([]byte, 4096)
		writer := c.writing(big)
		synctest.Wait()
		reader := c.reading()
		c.peer.send(closing(1001, ""))
		time.Sleep(3 * time.Second)
		c.peer.want(OpBinary, string(big))
		c.peer.wantClose(1001, "")
		writer.after(3 * time.Second)
		reader.after(3 * time.Second)
		tr := c.wantTrace(Closed, None)
		if d := tr.OwnClose.At - tr.PeerClose.At; d != 3*time.Second || tr.SecondClose() != tr.OwnClose {
			t.Errorf("the answer came %v after the Close, want 3s; %+v", d, tr)
		}
	})
}

func TestBytesBehindAWithheldCloseAreSeenByTheOwnerAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openMem(t, memnet.Options{}, opening{withhold: true})
		c.peer.send(closing(1000, "bye"), text("too late"), closing(1001, "again"))
		if err := c.reading().after(0); !errors.Is(err, ErrHandover) {
			t.Errorf("the library's Read ended with %v", err)
		}
		if n, err := c.tap.Read(c.buf[:]); n != 0 || err != ErrHandover {
			t.Errorf("another Read: %d, %v", n, err)
		}
		if tr := c.wantTrace(CloseReceived, None); tr.Rule != RuleDataAfterClose || tr.Received != 0 || tr.PeerCode != 1000 {
			t.Errorf("rule %q, %d messages", tr.Rule, tr.Received)
		}
	})
}

func TestAFrameThatOnlyLooksLikeACloseInsideAPayloadIsPassedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openMem(t, memnet.Options{}, opening{withhold: true})
		inner := string(closing(1000, "bye"))
		f := text(inner)
		c.peer.send(f[:2]) // so that a read begins with the byte of a Close
		reader := beside(t, func() error {
			_, p, err := c.ws.Read(context.Background())
			if string(p) != inner {
				err = errors.Join(err, fmt.Errorf("read %q", p))
			}
			return err
		})
		synctest.Wait()
		c.peer.send(f[2:])
		if err := reader.after(0); err != nil {
			t.Error(err)
		}
	})
}

func TestAWithheldCloseIsHandedOverAlsoWhenTheEndCameWithIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openMem(t, memnet.Options{}, opening{withhold: true})
		c.peer.send(closing(1000, "bye"))
		c.peer.fin()
		if err := c.reading().after(0); !errors.Is(err, ErrHandover) {
			t.Errorf("the library's Read ended with %v", err)
		}
		if err := c.follow(time.Second); !errors.Is(err, io.EOF) {
			t.Errorf("the owner's reading ended with %v", err)
		}
		c.wantTrace(Aborted, FIN)
		if err := c.tap.WriteClose(1000, "", c.tb.Now()+time.Second); err != nil {
			t.Errorf("the owner's Close: %v", err)
		}
		c.peer.wantClose(1000, "")
		c.wantTrace(Closed, FIN)
	})
}
