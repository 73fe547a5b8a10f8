package token_test

import "testing"

func FuzzParse(f *testing.F) {
	for _, s := range append(malformed(), id+"."+hidden) {
		f.Add(s)
	}
	f.Fuzz(checkParse)
}
