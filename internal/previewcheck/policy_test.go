package previewcheck

import "testing"

func TestDirectivesAreFoundInEachPolicyOfAHeader(t *testing.T) {
	for header, want := range map[string]string{
		"default-src 'self', frame-ancestors 'none'": "frame-ancestors 'none'",
		"Frame-Ancestors\t'none' ; img-src *":        "frame-ancestors 'none'",
		"frame-ancestors a; frame-ancestors b":       "frame-ancestors a",
		"default-src 'self'":                         "",
	} {
		if got := directive(header, "frame-ancestors"); got != want {
			t.Errorf("%q: %q, want %q", header, got, want)
		}
	}
}
