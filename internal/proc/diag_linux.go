package proc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"syscall"
)

// What sock_diag(7) speaks, from linux/sock_diag.h and linux/inet_diag.h.
const (
	netlinkSockDiag  = 4  // NETLINK_SOCK_DIAG
	sockDiagByFamily = 20 // SOCK_DIAG_BY_FAMILY
	attrBytecode     = 1  // INET_DIAG_REQ_BYTECODE
	requestLen       = 56 // struct inet_diag_req_v2
	answerLen        = 72 // struct inet_diag_msg
	allStates        = 1<<states - 1<<Established
)

// Operations of the filter the kernel runs on each socket
// (INET_DIAG_BC_JMP, _S_EQ and _D_EQ). A comparison takes eight bytes: where to
// go on yes and on no, and the port.
const (
	opJump       = 1
	opLocalPort  = 11 // since Linux 4.16
	opRemotePort = 12
)

// dump visits the sockets of both families on a port that are in the states of
// the mask, by asking the kernel for those alone.
func dump(port int, mask uint32, visit func(socket)) error {
	fd, err := syscall.Socket(syscall.AF_NETLINK, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, netlinkSockDiag)
	if err != nil {
		return os.NewSyscallError("open sock_diag: socket", err)
	}
	defer syscall.Close(fd)
	// The kernel answers at once; the limit is there so that nothing can hang.
	limit := syscall.Timeval{Sec: 2}
	if err := syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &limit); err != nil {
		return os.NewSyscallError("open sock_diag: setsockopt", err)
	}
	buf := make([]byte, 64<<10)
	for _, family := range []uint8{syscall.AF_INET, syscall.AF_INET6} {
		err := dumpFamily(fd, family, port, mask, buf, visit)
		if errors.Is(err, syscall.ENOENT) && family == syscall.AF_INET6 {
			continue // a kernel without IPv6
		}
		if err != nil {
			return fmt.Errorf("read sock_diag: %w", err)
		}
	}
	return nil
}

func dumpFamily(fd int, family uint8, port int, mask uint32, buf []byte, visit func(socket)) error {
	if err := syscall.Sendto(fd, request(family, port, mask), 0, &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK}); err != nil {
		return os.NewSyscallError("sendto", err)
	}
	for {
		n, _, err := syscall.Recvfrom(fd, buf, 0)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil {
			return os.NewSyscallError("recvfrom", err)
		}
		messages, err := syscall.ParseNetlinkMessage(buf[:n])
		if err != nil {
			return err
		}
		for _, m := range messages {
			switch m.Header.Type {
			case syscall.NLMSG_DONE:
				return nil
			case syscall.NLMSG_ERROR:
				return answerError(m.Data)
			case sockDiagByFamily:
				if one, ok := answer(m.Data); ok {
					visit(one)
				}
			}
		}
	}
}

// request asks for a dump: a netlink header, an inet_diag_req_v2, and the filter
// as its attribute.
func request(family uint8, port int, mask uint32) []byte {
	native := binary.NativeEndian
	filter := portFilter(uint16(port))
	b := make([]byte, 0, syscall.NLMSG_HDRLEN+requestLen+syscall.SizeofRtAttr+len(filter))
	b = native.AppendUint32(b, uint32(cap(b)))
	b = native.AppendUint16(b, sockDiagByFamily)
	b = native.AppendUint16(b, syscall.NLM_F_REQUEST|syscall.NLM_F_DUMP)
	b = append(b, make([]byte, 8)...) // sequence and sender: the socket has one request at a time
	b = append(b, family, syscall.IPPROTO_TCP, 0, 0)
	b = native.AppendUint32(b, mask)
	b = append(b, make([]byte, requestLen-8)...) // the identity of a single socket: none
	b = native.AppendUint16(b, uint16(syscall.SizeofRtAttr+len(filter)))
	b = native.AppendUint16(b, attrBytecode)
	return append(b, filter...)
}

// portFilter passes sockets whose own or whose peer's port is this one. The
// filter accepts where it ends exactly and refuses where a step leads beyond.
func portFilter(port uint16) []byte {
	var b []byte
	op := func(code, yes uint8, no uint16) {
		b = append(b, code, yes)
		b = binary.NativeEndian.AppendUint16(b, no)
	}
	op(opLocalPort, 8, 12) // yes: to the jump, no: to the other comparison
	op(0, 0, port)
	op(opJump, 4, 12) // to the end; a jump always takes its second way
	op(opRemotePort, 8, 12)
	op(0, 0, port)
	return b
}

// answer reads an inet_diag_msg.
func answer(b []byte) (one socket, ok bool) {
	if len(b) < answerLen {
		return socket{}, false
	}
	return socket{
		state:  State(b[1]),
		local:  int(binary.BigEndian.Uint16(b[4:])),
		remote: int(binary.BigEndian.Uint16(b[6:])),
		inode:  uint64(binary.NativeEndian.Uint32(b[68:])),
	}, true
}

func answerError(b []byte) error {
	if len(b) < 4 {
		return errors.New("an error without its number")
	}
	return syscall.Errno(-int32(binary.NativeEndian.Uint32(b)))
}
