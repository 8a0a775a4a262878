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
// headers, the user and password of a URL, and what follows a key that
// looks secret (token, password, key, session and the like) in a URL's
// query, in messages and in commands. So is a subprotocol that looks like a
// credential. URLs are the target's, a Toxiproxy's, a trigger's or hook's
// request, those in commands and the pages that a watch reads.
// Paths of files stay, and so does ${VAR} where nothing around it is masked.
// A redacted plan can be decoded again, and redacting it changes nothing.
func (p *Plan) Redacted() Plan {
	r := p.clone()
	r.Target.URL = maskURL(r.Target.URL)
	r.Faults.Toxiproxy = maskURL(r.Faults.Toxiproxy)
	for i, header := range r.Target.Headers {
		r.Target.Headers[i] = maskHeader(header)
	}
	for i, protocol := range r.Target.Subprotocols {
		if masked := maskProtocol(protocol); masked != protocol {
			r.Target.Subprotocols[i] = masked + strconv.Itoa(i+1) // they must differ
		}
	}
	for i := range r.OnOpen {
		r.OnOpen[i].Send, _ = maskMessage(r.OnOpen[i].Send)
		r.OnOpen[i].Expect, _ = maskMessage(r.OnOpen[i].Expect)
	}
	for i := range r.Closes.Mix {
		trigger := &r.Closes.Mix[i].Trigger
		trigger.Send, _ = maskMessage(trigger.Send)
		trigger.HTTP = maskRequest(trigger.HTTP)
		trigger.Exec, _ = maskCommand(trigger.Exec)
	}
	for i := range r.Drain.Hooks {
		hook := &r.Drain.Hooks[i]
		hook.HTTP = maskRequest(hook.HTTP)
		hook.Exec, _ = maskCommand(hook.Exec)
	}
	for i, source := range r.Watch.Sources {
		if isPage(source) {
			r.Watch.Sources[i] = maskURL(source)
		}
	}
	return r
}

// minSecret is the shortest text worth hiding, in bytes: a shorter one would
// blot out parts of ordinary words.
const minSecret = 4

// Secrets gives the texts of a plan, its variables replaced, that must not
// appear in what a run reports, wherever they come back from: the values of
// headers and the credentials in them, the user and password of a URL, and
// the values in its query, in messages and in commands that Redacted masks.
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
	add(urlSecrets(p.Target.URL)...)
	add(urlSecrets(p.Faults.Toxiproxy)...)
	for _, step := range p.OnOpen {
		_, sent := maskMessage(step.Send)
		_, expected := maskMessage(step.Expect)
		add(append(sent, expected...)...)
	}
	for i := range p.Closes.Mix {
		trigger := &p.Closes.Mix[i].Trigger
		_, request := trigger.Request()
		_, sent := maskMessage(trigger.Send)
		_, command := maskCommand(trigger.Exec)
		add(append(append(sent, urlSecrets(request)...), command...)...)
	}
	for _, hook := range p.Drain.Hooks {
		_, request := hook.Request()
		_, command := maskCommand(hook.Exec)
		add(append(urlSecrets(request), command...)...)
	}
	for _, source := range p.Watch.Sources {
		if isPage(source) {
			add(urlSecrets(strings.TrimSpace(source))...)
		}
	}
	return all
}

// isPage says whether a watch's source can be the URL of a page. All others
// name a process of this host, and hold no secret.
func isPage(source string) bool {
	kind, _, _ := strings.Cut(strings.TrimSpace(source), ":")
	return !slices.Contains([]string{"auto", "self", "pid", "pidfile", "port"}, kind)
}

// urlSecrets gives the user and password of a URL, and what maskQuery masks.
func urlSecrets(raw string) []string {
	var secrets []string
	_, query, _ := strings.Cut(raw, "?")
	for pair := range strings.SplitSeq(query, "&") {
		if key, value, _ := strings.Cut(pair, "="); maskQuery(pair) == key+"="+mask {
			secrets = append(secrets, value)
			if plain, err := url.QueryUnescape(value); err == nil {
				secrets = append(secrets, plain)
			}
		}
	}
	if u, err := url.Parse(raw); err == nil && u.User != nil {
		password, _ := u.User.Password()
		secrets = append(secrets, u.User.String(), u.User.Username(), password)
	}
	return secrets
}

// Hider replaces secrets in texts from outside, such as what a server sends
// back. The longest go first: else what is left of one that begins like a
// shorter one would show.
func Hider(secrets []string) *strings.Replacer {
	longest := slices.Clone(secrets)
	slices.SortStableFunc(longest, func(a, b string) int { return len(b) - len(a) })
	var pairs []string
	for _, secret := range longest {
		pairs = append(pairs, secret, mask)
	}
	return strings.NewReplacer(pairs...)
}

// maskAt masks the secrets of a text by the key it stands at, for messages
// about values that may not be what the key takes.
func maskAt(key, text string) string {
	switch {
	case strings.HasPrefix(key, "target.headers"):
		return maskHeader(text)
	case strings.HasPrefix(key, "target.subprotocols"):
		return maskProtocol(text)
	case key == "target" || key == "target.url" || key == "target.connect_to" || strings.HasPrefix(key, "faults"):
		if isUnclear(text) {
			return mask
		}
		return maskURL(text)
	case strings.HasSuffix(key, ".trigger.http"), strings.HasPrefix(key, "drain.") && strings.HasSuffix(key, ".http"):
		if _, raw := (&Trigger{HTTP: text}).Request(); isUnclear(raw) {
			return mask
		}
		return maskRequest(text)
	case strings.HasPrefix(key, "closes"), strings.HasPrefix(key, "drain"):
		masked, _ := maskCommand(text) // a trigger may stand at a key above its own
		for _, text := range []string{".exec", ".send", ".to"} {
			if strings.HasSuffix(key, text) {
				return masked
			}
		}
		return maskRest(masked)
	case strings.HasPrefix(key, "watch"): // several URLs, where a text is in place of the list
		masked, _ := maskCommand(maskURL(text))
		return maskRest(masked)
	}
	masked, _ := maskMessage(text)
	return masked
}

// maskRest masks all of a text with an @ before which nothing was masked: a
// password may stand there that was not found.
func maskRest(masked string) string {
	if strings.Count(masked, "@") > strings.Count(masked, mask+"@") {
		return mask
	}
	return masked
}

// isUnclear says whether the place of a URL's password is a guess: where the
// URL cannot be read, or has no host since a slash is missing.
func isUnclear(raw string) bool {
	u, err := url.Parse(raw)
	return strings.Contains(raw, "@") && (err != nil || u.Host == "")
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
	from := len(schemeOf(rest))
	authority, _, _ := strings.Cut(rest[from:], "/")
	masked := rest
	if at := strings.LastIndexByte(authority, '@'); at > 0 && !onlyVariables(authority[:at]) {
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

// schemeOf gives what stands in front of a URL's host: all up to "://", or what
// was meant so and lacks a character or has one more.
func schemeOf(raw string) string {
	if i := strings.Index(raw, "://"); i >= 0 {
		rest := raw[i+len("://"):]
		return raw[:len(raw)-len(strings.TrimLeft(rest, "/"))]
	}
	return regexp.MustCompile(`^\s*(?:\w[\w+.-]*:?)?/+`).FindString(raw)
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

// maskRequest masks the URL behind the method of a trigger's request.
func maskRequest(text string) string {
	text = strings.TrimSpace(text)
	_, raw := (&Trigger{HTTP: text}).Request()
	return strings.TrimSpace(strings.TrimSuffix(text, raw) + maskURL(raw)) // a lone # is dropped
}

const (
	quotedValue = `"(?:[^"\\]|\\.)*"|\\"[^"\\]*\\"|'[^']*'`
	plainValue  = `(?:\$\{\w+\}|[^\s"'\\,;&{}\[\])])(?:\$\{\w+\}|[^\s"'\\,;&}\])])*`
)

// maskMessage hides what follows a key that looks secret: in JSON, also in
// JSON inside a JSON text, and in plain forms as token=x or token: x. It gives
// what it has hidden, too.
func maskMessage(text string) (masked string, secrets []string) {
	return maskPairs(text, onlyVariables)
}

// maskPairs leaves the values that are open.
func maskPairs(text string, open func(value string) bool) (masked string, secrets []string) {
	if text == "" {
		return "", nil // as in most entries of a mix
	}
	const (
		separator = `(\\?["']?\s*[:=]\s*)`
		scheme    = `(?:(?i:bearer|basic)\s+)?`
	)
	key := `(\\?["']?)([\w.-]*(?i:` + strings.Join(secretWords(), "|") + `)[\w.-]*)`
	pair := regexp.MustCompile(key + separator + "(" + quotedValue + "|" + scheme + plainValue + ")")
	masked = pair.ReplaceAllStringFunc(text, func(found string) string {
		m := pair.FindStringSubmatch(found)
		if !looksSecret(m[2]) {
			inside, more := maskPairs(m[4], open)
			secrets = append(secrets, more...)
			return m[1] + m[2] + m[3] + inside
		}
		value := strings.Trim(m[4], `\"'`)
		if value == "" || open(value) {
			return found
		}
		// Bearer may stand before it, and the quotes around it.
		secrets = append(secrets, value, value[strings.LastIndexByte(value, ' ')+1:])
		before, after, _ := strings.Cut(m[4], value)
		if m[4] == value && strings.HasPrefix(m[3], m[1]) {
			before, after = m[1], m[1] // a number after a key in quotes
		}
		return m[1] + m[2] + m[3] + before + mask + after
	})
	return masked, secrets
}

// maskCommand hides what maskMessage does, and the credentials that commands
// take in other forms: --token x, -u user:password and http://user:password@.
// What the shell is to put in stays, as in $TOKEN and $(cat token).
func maskCommand(text string) (masked string, secrets []string) {
	if text == "" {
		return "", nil
	}
	masked, secrets = maskPairs(text, fromShell)
	for _, form := range []string{
		`(--?[\w-]*(?i:` + strings.Join(secretWords(), "|") + `)[\w-]*)(\s+)(` + quotedValue + `|` + plainValue + `)()`,
		`()(--user(?:\s+|=)|-u\s+)(["']?[^\s:"']+:[^\s"']+)()`,
		`()(://)([^\s/@"']+)(@)`,
	} {
		found := regexp.MustCompile(form)
		masked = found.ReplaceAllStringFunc(masked, func(all string) string {
			m := found.FindStringSubmatch(all)
			value := strings.Trim(m[3], `\"'`)
			if m[1] != "" && (!looksSecret(m[1]) || strings.ContainsAny(m[3][:1], "-|<>")) || fromShell(value) {
				return all
			}
			_, password, _ := strings.Cut(value, ":")
			secrets = append(secrets, value, password)
			before, after, _ := strings.Cut(m[3], value) // the quotes
			return m[1] + m[2] + before + mask + after + m[4]
		})
	}
	return masked, secrets
}

// fromShell says whether nothing of a value stands in the command itself.
func fromShell(value string) bool {
	without := expandVariables(value, func(string) (string, bool) { return "", true })
	return regexp.MustCompile("^(?:(?:\\$\\w+|:)*|\\$\\([^()]*\\)?|`[^`]*`?)$").MatchString(without)
}

// onlyVariables says whether text has variables and nothing else that could
// be a secret. A variable's name is none.
func onlyVariables(text string) bool {
	without := expandVariables(text, func(string) (string, bool) { return "", true })
	return hasVariable(text) && strings.Trim(without, ":") == ""
}

// looksSecret says whether a name is likely to name a secret. A signal and
// the passive mode only sound like one.
func looksSecret(name string) bool {
	name = strings.NewReplacer("signal", "", "passive", "").Replace(strings.ToLower(name))
	return slices.ContainsFunc(secretWords(), func(word string) bool { return strings.Contains(name, word) })
}

func secretWords() []string {
	return []string{
		"token", "secret", "pass", "pwd", "key", "auth", "sig", "session", "credential", "jwt", "bearer",
	}
}
