package previewcheck

import (
	"bytes"
	"fmt"

	"github.com/wsctl/wsctl/internal/workspace"
)

// hostChecks are how servers word that they do not serve a host, which keeps other sites
// from having a name of theirs lead to this machine.
var hostChecks = []struct{ mark, hint string }{
	{"Blocked request. This host", hostsOfVite},
	{"Invalid Host header", hostsOfWebpack},
	{"Invalid HTTP_HOST header", "add '.localhost' to ALLOWED_HOSTS"},
	{"Blocked hosts", "add config.hosts << '.localhost' to config/environments/development.rb"},
	{"Blocked: Host header does not match", "names below .localhost are allowed by Bun itself: what changes the Host header on its way?"},
}

// What to set, for servers that know it.
const (
	hostsOfVite = "add the host to server.allowedHosts; Vite allows names below .localhost by itself, so look for what changes the Host header " +
		"on its way, such as a proxy inside"
	hostsOfWebpack = "add the host to devServer.allowedHosts; webpack-dev-server allows names below .localhost by itself, so look for what changes the " +
		"Host header on its way, such as a proxy inside"
)

// refusesHost reports whether the answer of a port inside says that its host is not served,
// and what to do.
func refusesHost(a *answer, w workspace.Workspace, port int) (hint string, refused bool) {
	if a.status < 400 {
		return "", false
	}
	head := a.body[:min(len(a.body), 8<<10)]
	for _, c := range hostChecks {
		if bytes.Contains(head, []byte(c.mark)) {
			return c.hint, true
		}
	}
	if !bytes.Contains(head, []byte("The host ")) || !bytes.Contains(head, []byte(" is not allowed")) {
		return "", false
	}
	const only = "esbuild serves localhost and addresses alone: "
	if w.Port != 0 && port == w.Spec.Port {
		return only + fmt.Sprintf("open http://localhost:%d/, which leads to the workspace's own port", w.Port), true
	}
	return only + fmt.Sprintf("`wsctl forward %s %d` gives the port an address of that kind", w.Name, port), true
}
