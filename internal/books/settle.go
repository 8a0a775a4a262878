package books

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/wsload/wsload/internal/result"
	"github.com/wsload/wsload/internal/target"
	"github.com/wsload/wsload/runner"
	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/stats"
)

// SettleLimit is how long a server may take after a run to see the end of the
// last connection.
const SettleLimit = 5 * time.Second

const (
	ledgerPause = 20 * time.Millisecond // between two looks at the ledger
	ledgerReply = 2 * time.Second       // for one answer
)

// Await asks a server for its ledger at url, its /statz, until it has no open
// connection but those that have gone silently, gone is closed, or SettleLimit
// is over. What was read last comes with the error too.
func Await(ctx context.Context, url string, silent uint64, gone <-chan struct{}) (book target.Ledger, err error) {
	ctx, cancel := context.WithTimeout(ctx, SettleLimit)
	defer cancel()
	client := &http.Client{Timeout: ledgerReply, Transport: &http.Transport{DisableKeepAlives: true}}
	for {
		latest, err := statz(ctx, client, url)
		if err == nil {
			book = latest
			if book.Open <= silent {
				return book, nil
			}
			err = fmt.Errorf("it still holds %d connections %v after the run", book.Open, SettleLimit)
		}
		select {
		case <-time.After(ledgerPause):
		case <-gone:
			return book, errors.New("it was gone before its ledger could be read")
		case <-ctx.Done():
			return book, err
		}
	}
}

func statz(ctx context.Context, client *http.Client, url string) (book target.Ledger, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return book, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return book, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return book, errors.New(resp.Status)
	}
	err = json.NewDecoder(resp.Body).Decode(&book)
	return book, err
}

// Settle compares what a run says with what its own server says: the sums,
// where the server's ledger is not nil, and the single connections, where pairs
// is not. Each doubt is a sentence for the user. The ledger is nil where nothing
// could be compared.
//
// Of connections that one end gave up on, the other may have seen more or
// less, and one that misbehaves may be deaf to a Close: sums that differ say
// nothing then, and only single connections are compared.
func Settle(mix []scenario.Close, res *runner.Result, book *target.Ledger, pairs *result.LedgerPairs) (ledger *result.Ledger, doubts []string) {
	doubt := func(format string, args ...any) { doubts = append(doubts, fmt.Sprintf(format, args...)) }
	misbehaved := pairs != nil && pairs.Misbehaved > 0
	if book != nil && book.Lost > 0 {
		doubt("%d of the own server's processes died, and what they had counted with them: the sums of both ends are not compared", book.Lost)
		book = nil
	}
	if book != nil {
		sums := Compare(mix, res.Tally, *book)
		switch {
		case sums.Matched, !misbehaved && res.GivenUp() == 0 && outlasted(pairs) == 0:
			ledger = sums
		case !misbehaved && res.GivenUp() == 0:
			doubt("the own server's sums are not compared: it gave up on %d connections first, and an answer that came then does not count there", outlasted(pairs))
		case !misbehaved:
			doubt("the own server's sums are not compared: this run gave up on %d connections first, and the server may rightly count those otherwise", res.GivenUp())
		}
	}
	if pairs != nil {
		if ledger == nil {
			ledger = &result.Ledger{Matched: true}
		}
		ledger.AddPairs(pairs)
	}
	switch {
	case pairs != nil && pairs.Mismatched > 0:
		doubt("the own server says otherwise of %d connections: one of the two is wrong", pairs.Mismatched)
	case ledger != nil && !ledger.Matched:
		doubt("the own server counted other connections than this run did: one of the two is wrong")
	case book != nil && pairs != nil && pairs.Missing > 0:
		doubt("of %d connections only one end's verdict is known", pairs.Missing)
	}
	return ledger, doubts
}

// outlasted is on how many connections the server gave up waiting for an answer
// that this end wrote all the same. How often is a matter of load: both verdicts
// of each are right.
func outlasted(pairs *result.LedgerPairs) (n uint64) {
	if pairs == nil {
		return 0
	}
	for _, k := range pairs.Kinds {
		if k.Server == stats.CloseTimeout && (k.Client == stats.Clean || k.Client == stats.CleanRST) {
			n += k.Count
		}
	}
	return n
}
