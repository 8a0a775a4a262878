package result

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// streamHere makes the test's own program write a stream until it is killed.
const streamHere = "WSLOAD_TEST_STREAM"

func TestMain(m *testing.M) {
	if name := os.Getenv(streamHere); name != "" {
		if err := streamOn(name); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// firstSecond is where the stream begins: soon its lines cover 10 s, and in a
// day and more they cover a minute.
const firstSecond = 590

// streamOn writes the stream of a long run to a file, as fast as it can, and
// prints how many intervals it has handed over.
func streamOn(name string) error {
	t := new(testing.T)
	to, err := os.Create(name)
	if err != nil {
		return err
	}
	f := NewFile(name, to, func(text string) { fmt.Fprintln(os.Stderr, text) })
	head := header(t, "1/1", time.Hour)
	w, err := NewWriter(f, head)
	if err != nil {
		return err
	}
	thin := NewThinner(w, time.Second, f.Keep)
	for k := range 1 << 20 {
		if err := thin.Interval(numbered(head.Mix, firstSecond+k)); err != nil {
			return err
		}
		if _, err := fmt.Println(k + 1); err != nil {
			return err
		}
	}
	return fmt.Errorf("nobody has killed it")
}

func TestAProcessThatIsKilledLeavesAllButTheIntervalInProgress(t *testing.T) {
	rng := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	tails := 0
	for i := range 20 {
		name := filepath.Join(t.TempDir(), "run.jsonl")
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), streamHere+"="+name)
		cmd.Stderr = t.Output()
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		out := bufio.NewReader(stdout)
		done := 0
		for until := rng.IntN(200) + 1; done < until; {
			if _, err := fmt.Fscanln(out, &done); err != nil {
				t.Fatal(err)
			}
		}
		cmd.Process.Kill()
		rest, _ := io.ReadAll(out)
		cmd.Wait()
		// The last number may be torn; then it is of an interval in progress.
		done += strings.Count(string(rest), "\n")

		left := disk{stream: read1(t, name)}
		if _, err := os.Stat(TailName(name)); err == nil {
			left.tail = read1(t, TailName(name))
			tails++
		}
		t.Logf("kill %d after %d intervals: stream of %d bytes, tail of %d", i, done, len(left.stream), len(left.tail))
		left.wantSeconds(t, mix(t), firstSecond, done)
	}
	if tails == 0 {
		t.Error("no run had a tail when it was killed")
	}
}

func read1(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
