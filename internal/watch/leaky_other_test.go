//go:build !linux

package watch

func (l *leaky) keep(int) {}
