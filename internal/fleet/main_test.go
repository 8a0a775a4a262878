package fleet

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// TestMain is also the program of the children that the tests start.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[0] == "wsload" {
		os.Exit(child(os.Args[1]))
	}
	goleak.VerifyTestMain(m)
}

// child is what a child of the tests does, by its first argument.
func child(what string) int {
	switch what {
	case "obedient": // says three lines and what it is told, ends with its input
		fmt.Println("ready")
		fmt.Print("one\ntwo\n")
		in := bufio.NewReader(os.Stdin)
		for line, err := in.ReadString('\n'); err == nil; line, err = in.ReadString('\n') {
			fmt.Print("told ", line)
		}
		fmt.Print("a line that is cut off")
	case "deaf": // ends by force alone
		fmt.Println("ready")
		time.Sleep(time.Hour)
	case "mute": // is never ready
		_, _ = io.Copy(io.Discard, os.Stdin)
	case "broken": // fails before it is ready
		fmt.Fprintln(os.Stderr, "no such luck")
		return 7
	case "brief": // ends well, and too early
		fmt.Println("ready")
	}
	return 0
}
