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
