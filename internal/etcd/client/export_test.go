package client

// DecodeMember is for the fuzz test.
var DecodeMember = decodeMember
