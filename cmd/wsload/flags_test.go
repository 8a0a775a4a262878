package main

import (
	"slices"
	"testing"

	"github.com/wsload/wsload/scenario"
)

func TestEveryFlagOfAPlanStandsForAKey(t *testing.T) {
	keys := scenario.Keys()
	for _, kf := range slices.Concat(keyFlags(), drainKeyFlags(), gateKeyFlags()) {
		if !slices.ContainsFunc(keys, func(k scenario.Key) bool { return k.Name == kf[1] }) {
			t.Errorf("--%s stands for %s, which is no key", kf[0], kf[1])
		}
	}
}
