package target

// MaxKept is the bound of what leak-on-abort keeps.
const MaxKept = maxKept

// MaxHoard is the bound of what leak-memory keeps.
const MaxHoard = maxHoard

// Hoarded counts the bytes that leak-memory keeps, piece by piece.
func (s *Server) Hoarded() (n int) {
	s.hoard.mu.Lock()
	defer s.hoard.mu.Unlock()
	for p := s.hoard.last; p != nil; p = p.next {
		n += len(p.bytes)
	}
	return n
}

// Hoard has the server go on as if leak-memory kept n bytes more.
func (s *Server) Hoard(n int) { s.hoard.held += n }

// FaultNames returns the names of the table, in its order.
func FaultNames() (names []string) {
	for _, f := range faults() {
		names = append(names, f.name)
	}
	return names
}

// Bounds of what /ended tells.
const (
	MaxEnds = maxEnds
	MaxPage = maxPage
)

// Ring is what a server keeps its Ends in.
type Ring struct{ ends }

// Room is how many it can hold without growing.
func (r *Ring) Room() int { return cap(r.ring) }

// Add keeps one more.
func (r *Ring) Add(e End) { r.add(e) }

// Page is what follows the first after of them.
func (r *Ring) Page(after uint64) Ended { return r.page(after, nil) }

// PageOf is that of one run.
func (r *Ring) PageOf(after uint64, run uint32) Ended { return r.page(after, &run) }
