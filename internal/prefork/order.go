package prefork

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/wsload/wsload/internal/result"
	"github.com/wsload/wsload/internal/target"
)

// An order is the first line that a worker reads: what it is to be. Lines with
// one word follow.
type order struct {
	Name    string        `json:"name"` // "2/3": which of the processes it is
	Desk    string        `json:"desk"` // the Unix address that answers for all
	Drain   time.Duration `json:"drain"`
	Measure bool          `json:"measure"` // judge the clients
	Log     bool          `json:"log"`     // tell of trouble on standard error
	// Chain and Key are the certificate of a server that speaks TLS, in DER; the
	// key is PKCS #8. They never come near a command line or a file.
	Chain [][]byte `json:"chain,omitempty"`
	Key   []byte   `json:"key,omitempty"`
}

// The words that a worker is told later.
const (
	wordTick = "tick" // hand over what was recorded since the last tick
	wordEnd  = "end"  // end in order
)

// A report is a line that a worker writes. Each has one field.
type report struct {
	Desk   string         `json:"desk,omitempty"`   // it serves; the Unix address that answers for it alone
	Ending bool           `json:"ending,omitempty"` // it takes no connections any more
	Span   *result.Span   `json:"span,omitempty"`   // what was recorded since the last one
	Last   *target.Ledger `json:"last,omitempty"`   // its last line
}

// enclose puts the certificate of config into the order; nil is none.
func (o *order) enclose(config *tls.Config) error {
	if config == nil {
		return nil
	}
	if len(config.Certificates) != 1 {
		return fmt.Errorf("hand over the certificate: there are %d, want 1", len(config.Certificates))
	}
	cert := &config.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		return fmt.Errorf("hand over the certificate: %w", err)
	}
	o.Chain, o.Key = cert.Certificate, key
	return nil
}

// tlsConfig is nil where the order has no certificate.
func (o *order) tlsConfig() (*tls.Config, error) {
	if len(o.Chain) == 0 {
		return nil, nil
	}
	key, err := x509.ParsePKCS8PrivateKey(o.Key)
	if err != nil {
		return nil, fmt.Errorf("take the certificate: %w", err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, errors.New("take the certificate: its key cannot sign")
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: o.Chain, PrivateKey: signer}}}, nil
}

// closeAll closes what is no longer wanted; an error there changes nothing.
func closeAll(files []*os.File) {
	for _, f := range files {
		_ = f.Close()
	}
}
