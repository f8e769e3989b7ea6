package devcontainer

import (
	"strings"

	"github.com/tailscale/hujson"
)

// What a person can do instead of some arguments of docker run.
const (
	whyNetwork = "is refused: each workspace has a network of its own"
	whyMounts  = "is refused: use mounts"
	whyEnv     = "is refused: use containerEnv, or secrets for what is secret"
	whyPorts   = "is refused: ports of a workspace are reached through wsd, not published"
	whyNames   = "is refused: a container is named after its workspace"
	whyLimits  = "is refused: use hostRequirements or wsctl resize"
	whyUser    = "is refused: use remoteUser"
	whyOther   = "is refused: arguments for docker run are not passed on"
)

// refusedArgs has the reasons that are told apart; all others are whyOther.
var refusedArgs = map[string]string{
	"--privileged": whyRights, "--cap-add": whyRights, "--security-opt": whyRights, "--device": whyRights, "--gpus": whyRights,
	"--device-cgroup-rule": whyRights, "--userns": whyRights, "--pid": whyRights, "--ipc": whyRights, "--uts": whyRights,
	"--cgroupns": whyRights, "--group-add": whyRights, "--sysctl": whyRights,
	"--network": whyNetwork, "--net": whyNetwork, "--add-host": whyNetwork, "--dns": whyNetwork,
	"--volume": whyMounts, "-v": whyMounts, "--mount": whyMounts, "--tmpfs": whyMounts,
	"--env": whyEnv, "-e": whyEnv, "--env-file": whyEnv,
	"--publish": whyPorts, "-p": whyPorts, "--publish-all": whyPorts, "-P": whyPorts, "--expose": whyPorts,
	"--name": whyNames, "--hostname": whyNames, "-h": whyNames,
	"--memory": whyLimits, "-m": whyLimits, "--cpus": whyLimits, "--pids-limit": whyLimits, "--memory-swap": whyLimits,
	"--user": whyUser, "-u": whyUser,
}

// runArgs refuses each argument by its name. An element that begins with no dash is the
// value of the one before it.
func (r *reader) runArgs(key string, v *hujson.Value) {
	elements := r.elements(key, v)
	for i := 0; i < len(elements); i++ {
		arg := literal(&elements[i]).String()
		if arg == "--init" {
			continue // there is one anyway
		}
		option, _, _ := strings.Cut(arg, "=")
		shown := arg
		if i+1 < len(elements) && option == arg {
			if value := literal(&elements[i+1]).String(); !strings.HasPrefix(value, "-") {
				shown, i = arg+" "+value, i+1
			}
		}
		why, ok := refusedArgs[option]
		if !ok {
			why = whyOther
		}
		r.note(key+" "+clean(shown, 60), "%s", why)
	}
}
