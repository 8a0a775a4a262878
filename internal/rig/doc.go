// Package rig is what stands around a run: the faults of the path in front of
// the target, the conductor of a drain, and the watch on what target and tool
// hold.
//
//	Check   what of it cannot be, before anything opens
//	Begin   the watch has seen both at rest, the relay listens, the conductor
//	        waits for the run's clock; plan and options of the run are changed
//	        so that it goes by all three
//	Tick    each interval: how far the run is, for the watch
//	End     the conductor reports, the watch lets the target settle and looks
//	        once more, the relay lifts its faults
//	Recall  of a stored run that was killed: what the samples in its stream say
//
// Each is there only where the plan asks for it. The run itself knows nothing
// of them but its options.
package rig
