package scenario_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/wsload/wsload/scenario"
)

func TestARedactedURLKeepsWhatIsNotSecret(t *testing.T) {
	for raw, want := range map[string]string{
		"":                               "",
		"ws://h:1/a?user={{n}}&x=1":      "ws://h:1/a?user={{n}}&x=1",
		"wss://bob:hunter2@h:1/a":        "wss://***@h:1/a",
		"wss://hunter2@h":                "wss://***@h",
		"wss://a@b:c@h/@me":              "wss://***@h/@me",
		"ws:/bob:hunter2@h:1/a":          "ws:/***@h:1/a",
		"ws//bob:hunter2@h":              "ws//***@h",
		"ws:bob:hunter2@h":               "***@h",
		"ws:///bob:hunter2@h":            "ws:///***@h",
		"/bob:hunter2@h":                 "/***@h",
		"wss://${USER}:${PASS}@h":        "wss://${USER}:${PASS}@h",
		"wss://bob:${PASS}@h":            "wss://***@h",
		"ws://h/?token=abc&user=x":       "ws://h/?token=***&user=x",
		"ws://h/?user=x&API_Key=abc=d":   "ws://h/?user=x&API_Key=***",
		"ws://h?X-Amz-Signature=ab/c":    "ws://h?X-Amz-Signature=***",
		"ws://h/?%74oken=abc":            "ws://h/?%74oken=***",
		"ws://h/?%zz=abc":                "ws://h/?%zz=***",
		"ws://h/?code=abc&sessionid=1":   "ws://h/?code=***&sessionid=***",
		"ws://h/?token=&secret":          "ws://h/?token=&secret",
		"ws://h/?token=${TOKEN}":         "ws://h/?token=${TOKEN}",
		"ws://h/?token=${TOKEN}x":        "ws://h/?token=***",
		"ws://h/?password={{n}}":         "ws://h/?password=***",
		"ws://h/#access_token=abc?a@b/c": "ws://h/#***",
	} {
		plan := scenario.Default()
		plan.Target.URL = raw
		if got := plan.Redacted().Target.URL; got != want {
			t.Errorf("%q is shown as %q, want %q", raw, got, want)
		}
	}
}

func TestARedactedMessageHidesWhatFollowsASecretKey(t *testing.T) {
	for text, want := range map[string]string{
		"close 1001 bye":                          "close 1001 bye",
		`{"op":"close","code":1001}`:              `{"op":"close","code":1001}`,
		`{"op":"login","token":"a\"b","n":{{n}}}`: `{"op":"login","token":"***","n":{{n}}}`,
		`{"accessToken" : "abc"}`:                 `{"accessToken" : "***"}`,
		`{"pin":1,"password":1234}`:               `{"pin":1,"password":"***"}`,
		`{"auth":{"user":"bob","pass":"x"}}`:      `{"auth":{"user":"bob","pass":"***"}}`,
		`{"m":"{\"token\":\"abc\"}"}`:             `{"m":"{\"token\":\"***\"}"}`,
		"login: token=abc, user=bob":              "login: token=***, user=bob",
		"authorization: Bearer abc.def next":      "authorization: *** next",
		"token='a b' x":                           "token='***' x",
		"token=${TOKEN} user":                     "token=${TOKEN} user",
		`{"token":"${TOKEN}"}`:                    `{"token":"${TOKEN}"}`,
		"token=${TOKEN}abc":                       "token=***",
		"token=abc${TOKEN}":                       "token=***",
		`{"token":"","n":1}`:                      `{"token":"","n":1}`,
		`["token: abc","x"]`:                      `["token: ***","x"]`,
		"mode: passive=30 signal: token=abc":      "mode: passive=30 signal: token=***",
	} {
		plan := scenario.Default()
		plan.OnOpen = []scenario.Step{{Send: text, Expect: text, Within: 1}}
		plan.Closes.Mix[1].Trigger.Send = text
		got := plan.Redacted()
		if got.OnOpen[0].Send != want || got.OnOpen[0].Expect != want || got.Closes.Mix[1].Trigger.Send != want {
			t.Errorf("%s is shown as %s, want %s", text, got.OnOpen[0].Send, want)
		}
	}
}

func TestARedactedRequestKeepsItsMethodAndWhatIsNotSecret(t *testing.T) {
	for text, want := range map[string]string{
		"":                                     "",
		"http://h/kick?user={{ n }}":           "http://h/kick?user={{ n }}",
		"POST https://bob:hunter2@h/?token=ab": "POST https://***@h/?token=***",
		"DELETE\thttp://${USER}:${PASS}@h/":    "DELETE\thttp://${USER}:${PASS}@h/",
		"http://h/?key={{ n }}a&b={{ n }}":     "http://h/?key=***&b={{ n }}",
		"${ADMIN}/?token=a{{ n }}":             "${ADMIN}/?token=***",
		"${METHOD} http://a:b@h/?user=x":       "${METHOD} http://***@h/?user=x",
		"http://h/?signal=TERM&sig=abc":        "http://h/?signal=TERM&sig=***",
	} {
		plan := scenario.Default()
		plan.Closes.Mix[1].Trigger = scenario.Trigger{HTTP: text}
		if got := plan.Redacted().Closes.Mix[1].Trigger.HTTP; got != want {
			t.Errorf("%q is shown as %q, want %q", text, got, want)
		}
	}
}

func TestARedactedCommandHidesCredentialsInTheirUsualForms(t *testing.T) {
	for text, want := range map[string]string{
		`kill -TERM $(cat /run/chat.pid)`:                            `kill -TERM $(cat /run/chat.pid)`,
		`docker kill --signal=TERM chat`:                             `docker kill --signal=TERM chat`,
		`docker kill --signal TERM chat-{{n}}`:                       `docker kill --signal TERM chat-{{n}}`,
		`curl -H "Authorization: Bearer abc.d" http://h/`:            `curl -H "Authorization: ***" http://h/`,
		`curl -d '{"token":"abc"}' http://h/?sig=x&y`:                `curl -d '{"token":"***"}' http://h/?sig=***&y`,
		`curl -u bob:pw http://h/ --user 'a b:c' --user=d:e`:         `curl -u *** http://h/ --user 'a b:c' --user=***`,
		`curl -u "bob:$PW" "http://bob:pw@h/a@b"`:                    `curl -u "***" "http://***@h/a@b"`,
		`PGPASSWORD=abc psql -c 'select 1'`:                          `PGPASSWORD=*** psql -c 'select 1'`,
		`kick --api-token abc --password 'x y' all`:                  `kick --api-token *** --password '***' all`,
		`kick --auth --all | tee -a x`:                               `kick --auth --all | tee -a x`,
		`kick --auth | tee -a x`:                                     `kick --auth | tee -a x`,
		`kick --token token`:                                         `kick --token ***`,
		"kick --token $TOKEN -u $U:$P --key $(cat k) --pass `cat p`": "kick --token $TOKEN -u $U:$P --key $(cat k) --pass `cat p`",
		`kick --token ${TOKEN} token=${TOKEN}x key=$K`:               `kick --token ${TOKEN} token=*** key=$K`,
	} {
		plan := scenario.Default()
		plan.Closes.Mix[1].Trigger = scenario.Trigger{Exec: text}
		redacted := plan.Redacted()
		if got := redacted.Closes.Mix[1].Trigger.Exec; got != want {
			t.Errorf("%s is shown as\n%s, want\n%s", text, got, want)
		}
		if twice := redacted.Redacted(); !reflect.DeepEqual(twice, redacted) {
			t.Errorf("%s is shown as\n%s when masked twice", text, twice.Closes.Mix[1].Trigger.Exec)
		}
	}
}

func TestARedactedPlanHoldsNoSecretAndCanBeUsedAgain(t *testing.T) {
	plan := fullPlan(t)
	plan.Target.URL = "wss://bob:hunter2@h/?token=hunter2"
	plan.Target.Headers = []string{"Authorization: Bearer hunter2", "Cookie: a=hunter2"}
	plan.Target.Subprotocols = []string{"chat", "bearer.hunter2", "auth.hunter2", strings.Repeat("hunter2", 6)}
	plan.OnOpen[0].Send = `{"password":"hunter2"}`
	plan.Closes.Mix[3].Trigger.HTTP = "GET http://bob:hunter2@h/?key=hunter2"
	plan.Closes.Mix[4].Trigger.Exec = "curl -u bob:hunter2 --token hunter2 http://h/?key=hunter2"
	plan.Watch.Sources = []string{"port:9000", " http://bob:hunter2@h/metrics?token=hunter2&x=1", "pidfile:/run/a@b?key=1"}
	if err := plan.Validate(); err != nil {
		t.Fatal(err)
	}
	before := scenario.Encode(plan)

	redacted := plan.Redacted()
	data, err := json.Marshal(redacted)
	if err != nil || strings.Contains(string(data), "hunter2") {
		t.Errorf("a secret is left in %s, %v", data, err)
	}
	if want := []string{"Authorization: ***", "Cookie: ***"}; !reflect.DeepEqual(redacted.Target.Headers, want) {
		t.Errorf("headers are %q", redacted.Target.Headers)
	}
	if want := []string{"chat", "***2", "***3", "***4"}; !reflect.DeepEqual(redacted.Target.Subprotocols, want) {
		t.Errorf("subprotocols are %q", redacted.Target.Subprotocols)
	}
	if want := []string{"port:9000", " http://***@h/metrics?token=***&x=1", "pidfile:/run/a@b?key=1"}; !reflect.DeepEqual(redacted.Watch.Sources, want) {
		t.Errorf("sources are %q", redacted.Watch.Sources)
	}
	if redacted.Target.TLS != plan.Target.TLS {
		t.Errorf("paths of TLS files became %+v", redacted.Target.TLS)
	}
	var again scenario.Plan
	if err := json.Unmarshal(data, &again); err != nil || !reflect.DeepEqual(again, redacted) || again.Validate() != nil {
		t.Errorf("reads as %+v, %v, %v", again, err, again.Validate())
	}
	if twice := redacted.Redacted(); !reflect.DeepEqual(twice, redacted) {
		t.Errorf("redacted twice it is %+v", twice)
	}
	if !reflect.DeepEqual(scenario.Encode(plan), before) {
		t.Error("the plan itself has changed")
	}
}

func TestSecretsAreTheTextsThatRedactedMasks(t *testing.T) {
	p := scenario.Default()
	p.Target.URL = "ws://me:pa55word@host/x?token=a%20b%20c&room=lobby"
	p.Target.Headers = []string{"Authorization: Bearer abcdef", "X: {{n}}-secret", "Y: no"}
	p.OnOpen = []scenario.Step{{Send: `{"op":"login","auth":"Bearer sesame1"}`, Expect: "session=sesame2 ok", Within: 1}}
	p.Closes.Mix[0].Trigger = scenario.Trigger{Send: "close token=sesame3"} // of another mode, and secret all the same
	p.Closes.Mix[1].Trigger = scenario.Trigger{HTTP: "PUT http://admin:sesame4@kicker/?key=sesame5&user={{n}}"}
	p.Closes.Mix[2].Trigger = scenario.Trigger{Exec: "KEY=sesame6 kick --token 'sesame7 x' -u root:sesame8 --signal TERM http://api:sesame9@h/ $(all)"}
	p.Watch.Sources = []string{"pidfile:/run/who@pidfile", " https://watcher:sesame10@h/metrics?token=sesame11"}
	got := p.Secrets()
	for _, want := range []string{
		"Bearer abcdef", "abcdef", "a b c", "a%20b%20c", "pa55word", "me:pa55word", "sesame1", "sesame2", "sesame3",
		"admin:sesame4", "sesame4", "sesame5", "sesame6", "sesame7 x", "root:sesame8", "sesame8", "api:sesame9", "sesame9",
		"watcher:sesame10", "sesame10", "sesame11",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("%q is missing in %q", want, got)
		}
	}
	for _, not := range []string{"lobby", "no", "host", "{{n}}-secret", "login", "kicker", "TERM", "$(all)", "/run/who"} {
		if slices.Contains(got, not) {
			t.Errorf("%q is no secret to hide", not)
		}
	}
}

func TestTheLongestSecretIsHiddenWhole(t *testing.T) {
	hide := scenario.Hider([]string{"token", "token-of-mine", "password"})
	if got := hide.Replace("a token-of-mine, a token and a password"); got != "a ***, a *** and a ***" {
		t.Errorf("hidden to %q", got)
	}
}
