package scenario

import (
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// mask stands for a secret.
const mask = "***"

// Redacted gives a copy of p to print and to store. Masked are the values of
// headers, the user and password of the URL, and what follows a key that
// looks secret (token, password, key, session and the like) in the URL's
// query and in messages. So is a subprotocol that looks like a credential.
// Paths of files stay, and so does ${VAR} where nothing around it is masked.
// A redacted plan can be decoded again, and redacting it changes nothing.
func (p *Plan) Redacted() Plan {
	r := p.clone()
	r.Target.URL = maskURL(r.Target.URL)
	for i, header := range r.Target.Headers {
		r.Target.Headers[i] = maskHeader(header)
	}
	for i, protocol := range r.Target.Subprotocols {
		if masked := maskProtocol(protocol); masked != protocol {
			r.Target.Subprotocols[i] = masked + strconv.Itoa(i+1) // they must differ
		}
	}
	for i := range r.OnOpen {
		r.OnOpen[i].Send = maskMessage(r.OnOpen[i].Send)
		r.OnOpen[i].Expect = maskMessage(r.OnOpen[i].Expect)
	}
	for i := range r.Closes.Mix {
		r.Closes.Mix[i].Trigger.Send = maskMessage(r.Closes.Mix[i].Trigger.Send)
	}
	return r
}

// minSecret is the shortest text worth hiding, in bytes: a shorter one would
// blot out parts of ordinary words.
const minSecret = 4

// Secrets gives the texts of a plan, its variables replaced, that must not
// appear in what a run reports, wherever they come back from: the values of
// headers and the credentials in them, the URL's user and password, and the
// values in its query that Redacted masks.
func (p *Plan) Secrets() []string {
	var all []string
	add := func(texts ...string) {
		for _, text := range texts {
			if len(text) >= minSecret && !strings.Contains(text, "{{") {
				all = append(all, text)
			}
		}
	}
	for _, header := range p.Target.Headers {
		_, value, _ := strings.Cut(header, ":")
		value = strings.TrimSpace(value)
		add(value, value[strings.LastIndexByte(value, ' ')+1:])
	}
	_, query, _ := strings.Cut(p.Target.URL, "?")
	for pair := range strings.SplitSeq(query, "&") {
		if key, value, _ := strings.Cut(pair, "="); maskQuery(pair) == key+"="+mask {
			add(value)
			if plain, err := url.QueryUnescape(value); err == nil {
				add(plain)
			}
		}
	}
	if u, err := url.Parse(p.Target.URL); err == nil && u.User != nil {
		password, _ := u.User.Password()
		add(u.User.String(), u.User.Username(), password)
	}
	return all
}

// maskAt masks the secrets of a text by the key it stands at, for messages
// about values that may not be what the key takes.
func maskAt(key, text string) string {
	switch {
	case strings.HasPrefix(key, "target.headers"):
		return maskHeader(text)
	case strings.HasPrefix(key, "target.subprotocols"):
		return maskProtocol(text)
	case key == "target" || key == "target.url":
		if _, err := url.Parse(text); err != nil && strings.Contains(text, "@") {
			return mask // where the password ends is a guess
		}
		return maskURL(text)
	}
	return maskMessage(text)
}

// maskHeader hides the whole value: any header can carry a credential.
func maskHeader(header string) string {
	name, _, ok := strings.Cut(header, ":")
	if !ok {
		return mask // a value without its name
	}
	return name + ": " + mask
}

// maskProtocol hides bearer tokens. Browsers cannot set headers on a
// WebSocket, so there are servers that take them as a subprotocol.
func maskProtocol(protocol string) string {
	const longest = 40 // no registered subprotocol is longer; a signed token is
	if looksSecret(protocol) || len(protocol) > longest {
		return mask
	}
	return protocol
}

// maskURL works on the text, since a template is not always a URL yet.
func maskURL(raw string) string {
	rest, fragment, _ := strings.Cut(raw, "#")
	rest, query, hasQuery := strings.Cut(rest, "?")
	from := 0
	if i := strings.Index(rest, "://"); i >= 0 {
		from = i + len("://")
	}
	authority, _, _ := strings.Cut(rest[from:], "/")
	masked := rest
	if at := strings.LastIndexByte(authority, '@'); at >= 0 && !onlyVariables(authority[:at]) {
		masked = rest[:from] + mask + rest[from+at:]
	}
	if hasQuery {
		masked += "?" + maskQuery(query)
	}
	if fragment != "" {
		masked += "#" + mask
	}
	return masked
}

func maskQuery(query string) string {
	pairs := strings.Split(query, "&")
	for i, pair := range pairs {
		key, value, _ := strings.Cut(pair, "=")
		plain, err := url.QueryUnescape(key)
		secret := err != nil || looksSecret(plain) || strings.Contains(strings.ToLower(plain), "code")
		if secret && value != "" && !onlyVariables(value) {
			pairs[i] = key + "=" + mask
		}
	}
	return strings.Join(pairs, "&")
}

// maskMessage hides what follows a key that looks secret: in JSON, also in
// JSON inside a JSON text, and in plain forms as token=x or token: x.
func maskMessage(text string) string {
	words := strings.Join(secretWords(), "|")
	const (
		separator = `(\\?["']?\s*[:=]\s*)`
		quoted    = `"(?:[^"\\]|\\.)*"|\\"[^"\\]*\\"|'[^']*'`
		scheme    = `(?:(?i:bearer|basic)\s+)?`
		plain     = `(?:\$\{\w+\}|[^\s"'\\,;&{}\[\])])(?:\$\{\w+\}|[^\s"'\\,;&}\])])*`
	)
	key := `(\\?["']?)([\w.-]*(?i:` + words + `)[\w.-]*)`
	pair := regexp.MustCompile(key + separator + "(" + quoted + "|" + scheme + plain + ")")
	return pair.ReplaceAllStringFunc(text, func(found string) string {
		m := pair.FindStringSubmatch(found)
		value := strings.Trim(m[4], `\"'`)
		if onlyVariables(value) {
			return found
		}
		quotes := m[4][:strings.Index(m[4], value)]
		if quotes == "" {
			quotes = m[1] // a number after a key in quotes
		}
		return m[1] + m[2] + m[3] + quotes + mask + quotes
	})
}

// onlyVariables says whether text has variables and nothing else that could
// be a secret. A variable's name is none.
func onlyVariables(text string) bool {
	without := expandVariables(text, func(string) (string, bool) { return "", true })
	return hasVariable(text) && strings.Trim(without, ":") == ""
}

// looksSecret says whether a name is likely to name a secret.
func looksSecret(name string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc(secretWords(), func(word string) bool { return strings.Contains(name, word) })
}

func secretWords() []string {
	return []string{
		"token", "secret", "pass", "pwd", "key", "auth", "sig", "session", "credential", "jwt", "bearer",
	}
}
