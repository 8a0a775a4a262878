package target

// MaxKept is the bound of what leak-on-abort keeps.
const MaxKept = maxKept

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

// Add keeps one more.
func (r *Ring) Add(e End) { r.add(e) }

// Page is what follows the first after of them.
func (r *Ring) Page(after uint64) Ended { return r.page(after) }
