package main

import "testing"

func TestParseInitTrace(t *testing.T) {
	list := parseInitTrace("init errors @0.1 ms, 0.004 ms clock, 0 bytes, 0 allocs\n" +
		"init net/http @1.2 ms, 0.34 ms clock, 5678 bytes, 9 allocs\nsomething else\n")
	if len(list) != 2 || list[0] != (Package{"net/http", 0.34, 5678}) || list[1].Path != "errors" {
		t.Errorf("got %+v", list)
	}
}

func TestParseProcessorTime(t *testing.T) {
	busy, total, err := parseProcessorTime("cpu  10 1 5 80 4 0 0 0 0 0\ncpu0 1 1 1 1 1\n")
	if err != nil || busy != 16 || total != 100 {
		t.Errorf("busy %v of %v, %v", busy, total, err)
	}
	for _, bad := range []string{"", "cpu 1 2\n", "cpu a b c d e f\n"} {
		if _, _, err := parseProcessorTime(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestIsReady(t *testing.T) {
	for body, want := range map[string]bool{
		`{"status":{"conditions":[{"type":"DiskPressure","status":"False"},{"type":"Ready","status":"True"}]}}`: true,
		`{"status":{"conditions":[{"type":"Ready","status":"False"}]}}`:                                         false,
		`{"status":{"conditions":[{"type":"DiskPressure","status":"True"}]}}`:                                   false,
		`{}`: false, `no JSON`: false,
	} {
		if got := isReady([]byte(body)); got != want {
			t.Errorf("%s: %v", body, got)
		}
	}
}
