//go:build !linux

package wire

import (
	"errors"
	"net"
	"net/netip"
	"time"
)

// direct is Linux's alone; package net dials elsewhere.
func (h *Handshake) direct(netip.AddrPort, time.Time) (net.Conn, error) {
	return nil, errors.ErrUnsupported
}
