// Package pki makes and checks the certificates, keys and kubeconfigs of a
// cluster, in memory. What there is to be is data (Tree, KubeconfigSpecs);
// Read takes in what a machine already has, Ensure adds what is missing, and
// Files lists the result in the order in which it has to reach the disk. Seal
// and Unseal encrypt and decrypt what all control planes have in common.
//
// What always holds:
//   - What exists and is valid is kept byte for byte. Nothing is ever
//     overwritten: what exists and is not valid is a *CheckError.
//   - A key is listed before its certificate and a CA before what it signs, so
//     that a crash between any two files leaves something to go on from: a key
//     alone gets a certificate, never another key.
//   - A CA certificate without its key is an external CA. Nothing can be made
//     under it, so all of it must be there already and must verify.
//   - No certificate outlives the CA that signs it.
//
// The package refuses to read files or the clock, to replace a certificate by
// itself (renewal is the caller's decision: see Renewed and Issue), to use keys
// other than RSA and ECDSA, and to tolerate a file that it cannot parse.
//
// It is the only importer of cfssl, which makes and parses the keys. None of the functions used log above debug level, so that cfssl's
// global logger stays quiet without being touched; a test watches over that.
package pki
