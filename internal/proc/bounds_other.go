//go:build !linux

package proc

func readBounds() Bounds { return Bounds{} }
