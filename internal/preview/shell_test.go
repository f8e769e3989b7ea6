package preview

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strconv"
	"testing"

	htmltoken "golang.org/x/net/html"

	"github.com/wsctl/wsctl/internal/api"
)

// What wsctl and the page both know is written once, and handed to the page.
func TestThePageIsToldDevicesAndStages(t *testing.T) {
	_, page, ok := Shell("demo", "demo.localhost:7070", "/")
	if !ok {
		t.Fatal("there is no page")
	}
	data := dataOf(t, page)
	if most := data["data-most"]; most != strconv.Itoa(api.MaxDevices) {
		t.Errorf("at most %s devices", most)
	}
	var devices []api.Device
	var stages map[string]string
	if err := json.Unmarshal([]byte(data["data-devices"]), &devices); err != nil || !reflect.DeepEqual(devices, api.Devices()) {
		t.Errorf("devices %v %v", devices, err)
	}
	if err := json.Unmarshal([]byte(data["data-stages"]), &stages); err != nil || !reflect.DeepEqual(stages, api.StageWords()) {
		t.Errorf("stages %v %v", stages, err)
	}
}

// dataOf are the attributes of a page's body.
func dataOf(t *testing.T, page []byte) map[string]string {
	t.Helper()
	z := htmltoken.NewTokenizer(bytes.NewReader(page))
	for z.Next() != htmltoken.ErrorToken {
		if token := z.Token(); token.Data == "body" {
			data := make(map[string]string)
			for _, a := range token.Attr {
				data[a.Key] = a.Val
			}
			return data
		}
	}
	t.Fatal("the page has no body")
	return nil
}
