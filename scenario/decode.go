package scenario

import (
	"cmp"
	"encoding"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/wsload/wsload/scenario/problem"
)

// Decode reads a plan from the tree of a configuration file, starting from
// Default. Sections are map[string]any or map[any]any, lists are slices.
// Every other value may be text, whatever its key takes, as the environment
// gives it; numbers and booleans may also be Go's or a json.Number, and a
// value of the key's own Go type is taken as it is. A null changes nothing. A
// list replaces the default list whole, and an entry of the mix starts from
// DefaultClose of its mode. Beside load.stages, load.connections and
// load.duration have no default: they follow from the stages. With hooks the
// defaults are those of a drain: every connection waits for the server, lives
// once and is held to the end, and a message a second goes over it.
//
// The error is problem.List: every unknown key, wrong type and unreadable value.
// The plan then has the readable values and may be validated, to find what
// else is wrong; JoinProblems leaves out what follows from the first errors.
func Decode(tree map[string]any) (Plan, error) {
	plan := Default()
	var d decoder
	d.section("", reflect.ValueOf(&plan).Elem(), tree)
	if load, ok := asMap(tree["load"]); ok && len(plan.Load.Stages) > 0 {
		plan.Load.follow(load)
	}
	if len(plan.Drain.Hooks) > 0 {
		plan.drainDefaults(func(section, name string) bool {
			sub, _ := asMap(tree[section])
			return tree[section] != nil && (name == "" || sub[name] != nil)
		})
	}
	return plan, d.problems.Err()
}

// follow sets what follows from the stages, where it is not given. What is
// given stays, for Validate to hold against them.
func (l *Load) follow(given map[string]any) {
	connections, duration := l.staged()
	if given["connections"] == nil {
		l.Connections = connections
	}
	if given["duration"] == nil {
		l.Duration = duration
	}
}

// A decoder collects the problems of one Decode.
type decoder struct {
	problems problem.List
}

func (d *decoder) refuse(key string, src any, msg, hint string) {
	d.problems = append(d.problems, problem.Problem{Key: key, Value: show(key, src), Msg: msg, Hint: hint})
}

// value sets dst from src, or leaves it and refuses src.
func (d *decoder) value(key string, dst reflect.Value, src any) {
	text, isText := src.(string)
	switch {
	case src == nil:
	case !isText && reflect.TypeOf(src) == dst.Type():
		dst.Set(reflect.ValueOf(src))
		if dst.Kind() == reflect.Slice { // the plan must not change with the caller's list
			dst.Set(reflect.AppendSlice(reflect.Zero(dst.Type()), dst))
		}
	case dst.Kind() == reflect.Slice:
		d.list(key, dst, src)
	case isSection(dst.Type()):
		sub, ok := asMap(src)
		if !ok {
			d.refuse(key, src, "takes a mapping", "write its keys below it: "+strings.Join(keyNames(dst.Type()), ", "))
			return
		}
		d.section(key+".", dst, sub)
	case isText && !utf8.ValidString(text):
		d.refuse(key, src, "is not UTF-8", "")
	default:
		d.scalar(key, dst, src)
	}
}

// section sets the fields of dst. The prefix is "" or ends in a dot.
func (d *decoder) section(prefix string, dst reflect.Value, tree map[string]any) {
	names := keyNames(dst.Type())
	unknown := make([]string, 0)
	for name := range tree {
		if !slices.Contains(names, name) {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	for _, name := range unknown {
		d.problems = append(d.problems, problem.Problem{
			Key: prefix + name, Msg: "unknown key", Hint: meant(prefix, name, names),
		})
	}
	for i, name := range names {
		d.value(prefix+name, dst.Field(i), tree[name])
	}
}

// list replaces the slice dst. An empty list becomes nil, so that equal plans
// are deeply equal.
func (d *decoder) list(key string, dst reflect.Value, src any) {
	elements := reflect.ValueOf(src)
	if elements.Kind() != reflect.Slice {
		d.refuse(key, src, "takes a list", "write "+listExample(dst.Type().Elem()))
		return
	}
	dst.SetZero()
	for i := range elements.Len() {
		element := reflect.New(dst.Type().Elem()).Elem()
		d.element(fmt.Sprintf("%s[%d]", key, i), element, elements.Index(i).Interface())
		dst.Set(reflect.Append(dst, element))
	}
}

// listExample shows how a list of t is written.
func listExample(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[Close]():
		return "[{mode: active, weight: 60}, {mode: abort, weight: 40}]"
	case reflect.TypeFor[Stage]():
		return "[{for: 1m, connections: 1000}, {for: 1m, connections: 0}]"
	case reflect.TypeFor[Hook]():
		return `[{signal: TERM, to: "port:9000"}]`
	case reflect.TypeFor[Step]():
		return `[{send: "hello", expect: "welcome"}]`
	case reflect.TypeFor[Fault]():
		return "[{at: 10s, for: 5s, latency: 100ms}, {at: 20s, cut: rst, share: 50%}]"
	}
	return `["one", "two"], or ["one"] for a single entry`
}

// element sets one element of a list, from the defaults of its kind.
func (d *decoder) element(key string, dst reflect.Value, src any) {
	if src == nil {
		d.refuse(key, src, "the entry is empty", "fill it or remove it")
	}
	tree, _ := asMap(src)
	switch element := dst.Addr().Interface().(type) {
	case *Step:
		element.Within = stepWithin
	case *Fault:
		*element = DefaultFault()
	case *Close:
		*element = closeDefaults(tree)
	case *Stage: // a key forgotten would be a step, or the end of all connections
		for _, name := range keyNames(dst.Type()) {
			if tree != nil && tree[name] == nil {
				d.problems = append(d.problems, problem.Problem{
					Key: key + "." + name, Msg: "missing", Hint: "a stage has both keys, as in {for: 1m, connections: 1000}",
				})
			}
		}
	}
	d.value(key, dst, src)
	// An empty Close has no room for the default reason.
	if c, ok := dst.Addr().Interface().(*Close); ok && c.Code == emptyClose && tree["reason"] == nil {
		c.Reason = ""
	}
}

// closeDefaults gives the values of a mix entry's keys that are not given. A
// given trigger replaces the default one, as each has one key only.
func closeDefaults(given map[string]any) Close {
	var mode Mode
	switch m := given["mode"].(type) {
	case Mode:
		mode = m
	case string:
		mode = Mode(m)
	}
	if !slices.Contains(modes(), mode) {
		return Close{Weight: 1}
	}
	entry := DefaultClose(mode)
	if given["trigger"] != nil {
		entry.Trigger = Trigger{}
	}
	return entry
}

// scalar sets dst from text, a number or a boolean.
func (d *decoder) scalar(key string, dst reflect.Value, src any) {
	text, isText := src.(string)
	number, isNumber := numberText(src)
	if isNumber {
		text = number
	}
	var bad *problem.TextError
	switch reads, ok := dst.Addr().Interface().(encoding.TextUnmarshaler); {
	case dst.Kind() == reflect.Bool && !isText:
		bad = &problem.TextError{Msg: "takes true or false"} // a bool itself never comes here
	case !isText && !isNumber:
		bad = &problem.TextError{Msg: "is not of type " + typeName(dst.Type())}
		if dst.Kind() == reflect.String && !ok { // YAML makes booleans and dates of plain words
			bad.Hint = "write it in quotes"
		}
	case ok:
		if err := reads.UnmarshalText([]byte(text)); err != nil {
			bad = err.(*problem.TextError)
		}
	case dst.Type() == reflect.TypeFor[time.Duration]():
		var span time.Duration
		if span, bad = problem.ParseDuration(text); bad == nil {
			dst.SetInt(int64(span))
		} else {
			bad.Hint = cmp.Or(bad.Hint, "write 500ms, 2s or 1m30s")
		}
	case dst.Kind() == reflect.Bool:
		bad = setBool(dst, text)
	case dst.Kind() == reflect.String && isNumber:
		bad = &problem.TextError{Msg: "is not of type text", Hint: "write it in quotes"}
	case dst.Kind() == reflect.String:
		dst.SetString(text)
	default:
		bad = setInteger(dst, text)
	}
	if bad != nil {
		d.refuse(key, src, bad.Msg, bad.Hint)
	}
}

// setBool reads the text of a boolean.
func setBool(dst reflect.Value, text string) *problem.TextError {
	b, err := strconv.ParseBool(strings.TrimSpace(text))
	if err != nil {
		return &problem.TextError{Msg: "takes true or false"}
	}
	dst.SetBool(b)
	return nil
}

// setInteger reads the decimal text of a whole number.
func setInteger(dst reflect.Value, text string) *problem.TextError {
	text = strings.TrimSpace(text)
	fits := false
	switch dst.Kind() {
	case reflect.Uint64:
		n, err := strconv.ParseUint(text, 10, 64)
		if fits = err == nil; fits {
			dst.SetUint(n)
		}
	case reflect.Int:
		n, err := strconv.ParseInt(text, 10, strconv.IntSize)
		if fits = err == nil; fits {
			dst.SetInt(n)
		}
	}
	if fits {
		return nil
	}
	return &problem.TextError{Msg: "takes a whole number", Hint: "write digits only"}
}

// numberText gives a number of any kind that a file's reader makes as text,
// whole ones in digits. Past 2^53 a float64 may be another number than the one
// in the file, so it stays in its own form, which no whole number has.
func numberText(src any) (text string, ok bool) {
	if n, isJSON := src.(json.Number); isJSON {
		f, err := n.Float64()
		if !strings.ContainsAny(n.String(), ".eE") || err != nil {
			return n.String(), true
		}
		return floatText(f), true
	}
	switch v := reflect.ValueOf(src); {
	case v.CanInt():
		return strconv.FormatInt(v.Int(), 10), true
	case v.CanUint():
		return strconv.FormatUint(v.Uint(), 10), true
	case v.CanFloat():
		return floatText(v.Float()), true
	}
	return "", false
}

func floatText(f float64) string {
	if f == math.Trunc(f) && math.Abs(f) < 1<<53 {
		return strconv.FormatInt(int64(f), 10)
	}
	return strconv.FormatFloat(f, 'g', -1, 64)
}

// asMap gives src as a mapping with text keys. Readers of YAML make maps with
// keys of any type; one that is not text becomes the unknown key it is.
func asMap(src any) (map[string]any, bool) {
	switch tree := src.(type) {
	case map[string]any:
		return tree, true
	case map[any]any:
		named := make(map[string]any, len(tree))
		for k, v := range tree {
			named[fmt.Sprint(k)] = v
		}
		return named, true
	}
	return nil, false
}

// meant gives the hint for an unknown key: the known one it is likely to be.
// One that differs only in case is the best guess, then one of this name
// elsewhere, then a near one in the same section, then a near one elsewhere.
func meant(prefix, name string, siblings []string) string {
	paths, lasts := allKeys()
	guess := ""
	if lower := strings.ToLower(name); slices.Contains(siblings, lower) {
		guess = prefix + lower
	} else if i := slices.Index(lasts, lower); i >= 0 {
		guess = paths[i]
	} else if near := problem.Nearest(name, siblings); near != "" {
		guess = prefix + near
	} else if near := problem.Nearest(name, lasts); near != "" {
		guess = paths[slices.Index(lasts, near)]
	}
	if section, last, dotted := strings.Cut(name, "."); dotted && guess == "" {
		return fmt.Sprintf("write it as %s below %s", last, section)
	}
	if guess == "" {
		return ""
	}
	return "did you mean " + guess + "?"
}

// allKeys gives the path and the last name of every key, those of lists'
// elements and of sections included, in the order of declaration.
func allKeys() (paths, lasts []string) {
	var walk func(prefix string, t reflect.Type)
	walk = func(prefix string, t reflect.Type) {
		for i, name := range keyNames(t) {
			paths, lasts = append(paths, prefix+name), append(lasts, name)
			switch field := t.Field(i).Type; {
			case isSection(field):
				walk(prefix+name+".", field)
			case field.Kind() == reflect.Slice && isSection(field.Elem()):
				walk(prefix+name+"[].", field.Elem())
			}
		}
	}
	walk("", reflect.TypeFor[Plan]())
	return paths, lasts
}
