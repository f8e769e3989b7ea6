package api

import "github.com/wsctl/wsctl/internal/workspace"

// StageWords is how people are told the stages of slow work: those that a signal of progress
// names, which others may be added to, and for want of a signal the states that tell one.
func StageWords() map[string]string {
	return map[string]string{
		"image":     "getting the image",
		"source":    "fetching its files",
		"build":     "building the image",
		"container": "making the container",
		"start":     "starting it",
		"ready":     "waiting until it answers",
		"pre_stop":  "running its pre-stop command",
		"stop":      "stopping it",
		"remove":    "removing it",

		string(workspace.Creating):     "making the workspace",
		string(workspace.Initializing): "starting it",
		string(workspace.Stopping):     "stopping it",
		string(workspace.Deleting):     "removing it",
		string(workspace.Running):      "working",
		string(workspace.Paused):       "working",
	}
}
