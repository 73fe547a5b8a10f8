package pki

// ReplaceClient is what the fuzzer drives without making keys.
var ReplaceClient = replaceClient
