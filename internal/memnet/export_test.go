package memnet

// State is KernelState's state without taking the pending error.
func State(c *Conn) uint8 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.advance()
	return c.state()
}
