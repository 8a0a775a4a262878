//go:build !linux

package runner

import "errors"

func fineAlarm() (alarm, error) { return alarm{}, errors.ErrUnsupported }
