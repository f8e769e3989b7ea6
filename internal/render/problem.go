package render

import (
	"net/http"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
)

// ProblemOf returns the problem object for an error, the same form that wsd sends,
// so that scripts read one kind of error wherever it arose.
func ProblemOf(e *fault.Error, requestID string) api.Problem {
	c := fault.ClassOf(e.Kind)
	title := http.StatusText(c.HTTP)
	if title == "" {
		title = "Interrupted"
	}
	return api.Problem{
		Type: "https://wsctl.dev/errors/" + e.Code, Title: title, Status: c.HTTP,
		Detail: e.Text, Code: e.Code, Kind: e.Kind, Hint: e.Hint,
		Retryable: c.Retryable, RequestID: requestID, Errors: e.Fields,
	}
}
