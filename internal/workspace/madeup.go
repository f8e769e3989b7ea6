package workspace

import "math/rand/v2"

var (
	madeUpFirst = []string{
		"amber", "brave", "bright", "calm", "clear", "clever", "crisp", "eager", "early", "fair", "fresh", "gentle",
		"glad", "golden", "happy", "keen", "kind", "lively", "lucky", "merry", "mellow", "neat", "nimble", "quick",
		"quiet", "rapid", "sharp", "silver", "smart", "sunny", "swift", "warm",
	}
	madeUpSecond = []string{
		"badger", "beaver", "bison", "crane", "dove", "eagle", "falcon", "ferret", "finch", "fox", "gecko", "heron",
		"ibex", "jay", "koala", "lark", "lemur", "lynx", "marten", "newt", "orca", "otter", "owl", "panda", "puffin",
		"raven", "robin", "seal", "stork", "swan", "tern", "wren",
	}
)

// MadeUpName returns a random valid name of two words and a number, such as calm-otter-42.
func MadeUpName() string {
	digits := "23456789"
	return madeUpFirst[rand.IntN(len(madeUpFirst))] + "-" + madeUpSecond[rand.IntN(len(madeUpSecond))] + "-" +
		string([]byte{digits[rand.IntN(len(digits))], digits[rand.IntN(len(digits))]})
}
