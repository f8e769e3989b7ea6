package fault

import "strings"

// Edits is the number of single-byte insertions, deletions and replacements from a to b
// (Levenshtein), for hints that ask "did you mean". What needs more than most is told as
// most+1 where the lengths say so already: no word is too long to be compared.
func Edits(a, b string, most int) int {
	if d := len(a) - len(b); d > most || -d > most {
		return most + 1
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, diagonal+1, row[j]+1)
		}
	}
	return row[len(b)]
}

// Nearest is the candidate with the fewest Edits from word, of equals the first, in any
// case of the letters; "" where each needs more than most.
func Nearest(word string, candidates []string, most int) string {
	best, least := "", most+1
	for _, c := range candidates {
		if n := Edits(strings.ToLower(word), strings.ToLower(c), most); n < least {
			best, least = c, n
		}
	}
	return best
}
