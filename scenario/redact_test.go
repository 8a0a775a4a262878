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

func TestARedactedPlanHoldsNoSecretAndCanBeUsedAgain(t *testing.T) {
	plan := fullPlan(t)
	plan.Target.URL = "wss://bob:hunter2@h/?token=hunter2"
	plan.Target.Headers = []string{"Authorization: Bearer hunter2", "Cookie: a=hunter2"}
	plan.Target.Subprotocols = []string{"chat", "bearer.hunter2", "auth.hunter2", strings.Repeat("hunter2", 6)}
	plan.OnOpen[0].Send = `{"password":"hunter2"}`
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
	got := p.Secrets()
	for _, want := range []string{"Bearer abcdef", "abcdef", "a b c", "a%20b%20c", "pa55word", "me:pa55word"} {
		if !slices.Contains(got, want) {
			t.Errorf("%q is missing in %q", want, got)
		}
	}
	for _, not := range []string{"lobby", "no", "host", "{{n}}-secret"} {
		if slices.Contains(got, not) {
			t.Errorf("%q is no secret to hide", not)
		}
	}
}
