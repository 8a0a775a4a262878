// Package value has the values of a plan that are written as a small text of
// their own: a distribution of durations ([Dist]), a pace ([Rate]), how closes
// spread over time ([Shape]), what follows a connection that ended early
// ([Reconnect]).
//
// Each is read by its Parse function, compares with == and gives back, by
// String, a text that reads as the same value. Errors are *problem.TextError:
// they name the text, what is wrong with it and where, and the forms there are.
package value
