//go:build !unix

package proc

func descriptorLimits() (soft, hard Fact) { return Fact{}, Fact{} }

func cpu() Fact { return Fact{} }
