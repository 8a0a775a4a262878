package scenario_test

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/wsload/wsload/scenario"
)

func TestShardsOwnEachSlotExactlyOnce(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		count, connections := 1+random.IntN(20), random.IntN(100)
		owners := make([]int, connections)
		for index := 1; index <= count; index++ {
			shard := scenario.Shard{Index: index, Count: count}
			slots := slices.Collect(shard.Slots(connections))
			if !slices.IsSorted(slots) || len(slots) != shard.Size(connections) {
				t.Fatalf("%v of %d: slots %v, size %d", shard, connections, slots, shard.Size(connections))
			}
			for _, slot := range slots {
				owners[slot]++
			}
			for slot := range connections {
				if shard.Owns(slot) != slices.Contains(slots, slot) {
					t.Fatalf("%v of %d: Owns(%d) = %v, slots %v", shard, connections, slot, shard.Owns(slot), slots)
				}
			}
		}
		if slices.ContainsFunc(owners, func(n int) bool { return n != 1 }) {
			t.Fatalf("%d shards of %d: owners per slot %v", count, connections, owners)
		}
	}
}

func TestThePartsOfAShardHoldWhatItDoes(t *testing.T) {
	for _, shard := range []scenario.Shard{{}, {Index: 1, Count: 1}, {Index: 2, Count: 3}} {
		for parts := 1; parts <= 4; parts++ {
			var all []int
			for k := 1; k <= parts; k++ {
				part := shard.Split(k, parts)
				if part.Size(50) > shard.Split(1, parts).Size(50) {
					t.Errorf("part %d of %d of %v is larger than the first", k, parts, shard)
				}
				all = append(all, slices.Collect(part.Slots(50))...)
			}
			slices.Sort(all)
			if want := slices.Collect(shard.Slots(50)); !slices.Equal(all, want) {
				t.Errorf("%d parts of %v have the slots %v, want %v", parts, shard, all, want)
			}
		}
	}
}

func TestTheZeroShardIsTheWhole(t *testing.T) {
	var zero scenario.Shard
	if zero.String() != "1/1" || zero.Size(5) != 5 || !zero.Owns(4) {
		t.Errorf("it is %v with %d of 5", zero, zero.Size(5))
	}
	if got, want := slices.Collect(zero.Slots(3)), []int{0, 1, 2}; !slices.Equal(got, want) {
		t.Errorf("its slots are %v", got)
	}
}

func TestSlotsStopsWhenItsReaderDoes(t *testing.T) {
	for slot := range (scenario.Shard{Index: 2, Count: 3}).Slots(1 << 30) {
		if slot > 10 {
			break
		}
	}
}

// TestShardsTogetherPlanTheWhole compares the lifecycles themselves, as they
// are all there is to a run in which each connection lives once.
func TestShardsTogetherPlanTheWhole(t *testing.T) {
	plan := scenario.Default()
	plan.Seed, plan.Load.Duration = 42, 0
	planned := make(map[uint64]scenario.Lifecycle)
	for _, text := range []string{"3/3", "1/3", "2/3"} {
		shard, err := scenario.ParseShard(text)
		if err != nil {
			t.Fatal(err)
		}
		part := plan // each machine has its own copy
		for slot := range shard.Slots(part.Load.Connections) {
			l := part.Lifecycle(uint64(slot))
			if _, twice := planned[l.N]; twice {
				t.Fatalf("%d is planned twice", l.N)
			}
			planned[l.N] = l
		}
	}
	whole := make(map[uint64]scenario.Lifecycle)
	for slot := range (scenario.Shard{}).Slots(plan.Load.Connections) {
		whole[uint64(slot)] = plan.Lifecycle(uint64(slot))
	}
	if !reflect.DeepEqual(planned, whole) {
		t.Errorf("the shards plan %d lifecycles, the whole %d, and they differ", len(planned), len(whole))
	}
}

func TestAShardReadsBackFromItsText(t *testing.T) {
	for _, text := range []string{"1/1", "1/3", "3/3", "10000/10000"} {
		var s scenario.Shard
		if err := s.UnmarshalText([]byte(" " + text)); err != nil {
			t.Error(err)
		}
		if again, err := s.MarshalText(); err != nil || string(again) != text {
			t.Errorf("%q reads as %+v and is written %s, %v", text, s, again, err)
		}
	}
}

func TestARefusedShardNamesTextAndRemedy(t *testing.T) {
	const first = "(write 1/3 for the first of three)"
	for text, want := range map[string]string{
		"":        `parse shard "": not a part of a whole ` + first,
		"2":       `parse shard "2": not a part of a whole ` + first,
		"a/b":     `parse shard "a/b": not a part of a whole ` + first,
		"1/2/3":   `parse shard "1/2/3": not a part of a whole ` + first,
		"1/0":     `parse shard "1/0": the number of parts must be 1 to 10000 ` + first,
		"1/-3":    `parse shard "1/-3": the number of parts must be 1 to 10000 ` + first,
		"1/10001": `parse shard "1/10001": the number of parts must be 1 to 10000 ` + first,
		"0/3":     `parse shard "0/3": there is no such part (write 1/3 to 3/3)`,
		"4/3":     `parse shard "4/3": there is no such part (write 1/3 to 3/3)`,
	} {
		if s, err := scenario.ParseShard(text); err == nil || err.Error() != want {
			t.Errorf("ParseShard(%q) = %v,\n got %v\nwant %s", text, s, err, want)
		}
	}
}
