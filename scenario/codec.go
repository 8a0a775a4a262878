package scenario

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/wsload/wsload/scenario/problem"
)

// A Key is one setting of a plan that a file, the environment or a flag can
// give. The keys of a list's elements are not Keys: a list is set whole.
type Key struct {
	Name    string // path from the root: "limits.close"
	List    bool   // takes a list; else one value
	Type    string // kind of value for help texts: "duration", "list of text"
	Default string // value in Default as text; a list as JSON
}

// Keys gives every Key of a plan in the order of declaration.
func Keys() []Key {
	var keys []Key
	var walk func(prefix string, v reflect.Value)
	walk = func(prefix string, v reflect.Value) {
		for i := range v.NumField() {
			name, field := prefix+keyOf(v.Type().Field(i)), v.Field(i)
			if isSection(field.Type()) {
				walk(name+".", field)
				continue
			}
			key := Key{Name: name, List: field.Kind() == reflect.Slice, Type: typeName(field.Type())}
			if written := encode(field); key.List {
				key.Default = string(appendJSON(nil, written))
			} else {
				key.Default = fmt.Sprint(written)
			}
			keys = append(keys, key)
		}
	}
	walk("", reflect.ValueOf(Default()))
	return keys
}

// Encode gives p as a tree of maps, lists, text, numbers and booleans that
// Decode reads back as an equal plan. Durations and the like are text. In a
// mix entry, keys of other modes are left out unless they are set, and so are
// the other keys of a trigger.
func Encode(p Plan) map[string]any {
	return plainTree(encode(reflect.ValueOf(p))).(map[string]any)
}

// MarshalJSON writes what Encode gives, in the order of declaration. It does
// not mask secrets: see Redacted.
func (p Plan) MarshalJSON() ([]byte, error) {
	return appendJSON(nil, encode(reflect.ValueOf(p))), nil
}

// UnmarshalJSON reads a plan the way Decode does: keys that are missing have
// their defaults, and unknown ones are refused.
func (p *Plan) UnmarshalJSON(data []byte) error {
	var tree map[string]any
	numbers := json.NewDecoder(bytes.NewReader(data))
	numbers.UseNumber() // a float64 would round a large seed
	if err := numbers.Decode(&tree); err != nil {
		return fmt.Errorf("decode plan: %w", err)
	}
	if tree == nil {
		return nil // by convention, null changes nothing
	}
	plan, err := Decode(tree)
	if err == nil {
		*p = plan
	}
	return err
}

// keyOf gives the name of a field in a configuration.
func keyOf(f reflect.StructField) string { return f.Tag.Get("key") }

// isSection tells a struct of keys from a struct with a text form.
func isSection(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && !hasText(t)
}

func hasText(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

// typeName says in words what t takes.
func typeName(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return "duration"
	case hasText(t):
		return strings.ToLower(t.Name())
	case t.Kind() == reflect.Slice:
		return "list of " + typeName(t.Elem())
	case t.Kind() == reflect.Struct:
		return "{" + strings.Join(keyNames(t), ", ") + "}"
	case t.Kind() == reflect.String:
		return "text"
	}
	return strings.TrimRight(t.Kind().String(), "0123456789") // uint, not uint64
}

// keyNames gives the keys of a section in the order of declaration.
func keyNames(t reflect.Type) []string {
	names := make([]string, t.NumField())
	for i := range names {
		names[i] = keyOf(t.Field(i))
	}
	return names
}

// section is a mapping that keeps the order of declaration.
type section []entry

type entry struct {
	key   string
	value any // section, []any, string, bool, int64 or uint64
}

// encode turns a part of a plan into its written form.
func encode(v reflect.Value) any {
	switch value := v.Interface().(type) {
	case time.Duration:
		return problem.DurationText(value)
	case encoding.TextMarshaler:
		text, err := value.MarshalText()
		if err != nil {
			panic("scenario: a text form that can fail: " + err.Error()) // none of this package's does
		}
		return string(text)
	}
	switch v.Kind() {
	case reflect.Struct:
		var s section
		for i := range v.NumField() {
			name := keyOf(v.Type().Field(i))
			if v.Field(i).IsZero() && foreign(v.Interface(), name) {
				continue
			}
			s = append(s, entry{name, encode(v.Field(i))})
		}
		return s
	case reflect.Slice:
		list := make([]any, v.Len())
		for i := range list {
			list[i] = encode(v.Index(i))
		}
		return list
	case reflect.Bool:
		return v.Bool()
	case reflect.Int:
		return v.Int()
	case reflect.Uint64:
		return v.Uint()
	case reflect.String:
		return v.String()
	}
	panic("scenario: no written form for " + v.Type().String())
}

// foreign says whether a key is written only where it is set: one of another
// mode or kind of fault, or of a trigger or a hook, which have one.
func foreign(owner any, key string) bool {
	switch o := owner.(type) {
	case Close:
		return !o.Mode.has(key)
	case Trigger, Hook:
		return true
	case Fault:
		return !o.Kind().has(key)
	}
	return false
}

// plainTree turns sections into maps.
func plainTree(value any) any {
	switch v := value.(type) {
	case section:
		tree := make(map[string]any, len(v))
		for _, e := range v {
			tree[e.key] = plainTree(e.value)
		}
		return tree
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = plainTree(v[i])
		}
		return list
	}
	return value
}

// appendJSON writes a written form as JSON.
func appendJSON(b []byte, value any) []byte {
	switch v := value.(type) {
	case section:
		b = append(b, '{')
		for i, e := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendJSON(b, e.key)
			b = append(b, ':')
			b = appendJSON(b, e.value)
		}
		return append(b, '}')
	case []any:
		b = append(b, '[')
		for i := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendJSON(b, v[i])
		}
		return append(b, ']')
	case string:
		// Not json.Marshal: it writes the & of a URL as \u0026.
		var text bytes.Buffer
		encoder := json.NewEncoder(&text)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(v); err != nil {
			panic("scenario: text that has no JSON: " + err.Error()) // every string has
		}
		return append(b, bytes.TrimSuffix(text.Bytes(), []byte("\n"))...)
	}
	return fmt.Append(b, value) // booleans and integers
}

// show gives a value the way a Problem prints it.
func show(key string, value any) string {
	switch v := value.(type) {
	case nil:
		return "nothing"
	case string:
		return problem.Quote(maskAt(key, v))
	case json.Number:
		return v.String()
	case time.Duration:
		return problem.DurationText(v)
	case encoding.TextMarshaler:
		text, err := v.MarshalText()
		if err != nil {
			return ""
		}
		return problem.Quote(string(text))
	}
	switch reflect.TypeOf(value).Kind() {
	case reflect.Map, reflect.Struct:
		return "a mapping"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.String:
		return show(key, reflect.ValueOf(value).String())
	}
	return fmt.Sprint(value)
}
