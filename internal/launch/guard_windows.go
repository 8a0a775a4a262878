package launch

// A guard does nothing: a group here takes no signal.
type guard struct{}

func newGuard() (*guard, error) { return new(guard), nil }
func (*guard) over(int)         {}
func (*guard) release()         {}
