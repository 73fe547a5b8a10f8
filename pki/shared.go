package pki

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/secret"
)

// EtcdClient is what an API server shows to an etcd that others run.
type EtcdClient struct {
	CA, Cert []byte
	Key      secret.Bytes
}

// certificateKeySize is that of AES-256.
const certificateKeySize = 32

// SharedError says why shared certificates cannot be encrypted or decrypted.
type SharedError struct {
	Problem Problem // Key, WrongKey, Damaged or Missing
	Entry   string  // of the Secret, if it is about one
	Reason  string
}

func (e *SharedError) Error() string {
	if e.Entry == "" {
		return "decrypt the shared certificates: " + e.Reason
	}
	return "decrypt the shared certificates: " + e.Entry + ": " + e.Reason
}

// Hint is the command that makes what is used here anew.
func (e *SharedError) Hint() string {
	return "clusteradm token create --print-join-command --control-plane   # on a control plane: shares them anew"
}

// CertificateKey makes a key to share certificates under, in hexadecimal.
func CertificateKey(rand io.Reader) (secret.String, error) {
	key := make([]byte, certificateKeySize)
	if _, err := io.ReadFull(rand, key); err != nil {
		return secret.String{}, fmt.Errorf("make certificate key: %w", err)
	}
	return secret.NewString(hex.EncodeToString(key)), nil
}

// Seal encrypts what all control planes have in common into the entries of the
// Secret kubeadm-certs, each as AES-256-GCM's nonce and ciphertext. The key of
// an external CA is an empty entry: kubeadm takes one that is not there at all
// for a mistake. Anything else that is missing is a *CheckError, for the node
// that joins would make its own.
func Seal(b *Bundle, key secret.String, rand io.Reader) (map[string][]byte, error) {
	box, err := boxOf(key)
	if err != nil {
		return nil, err
	}
	if err := b.shareable(); err != nil {
		return nil, fmt.Errorf("share certificates: %w", err)
	}
	content := b.shared()
	sealed := make(map[string][]byte, len(content))
	for _, name := range slices.Sorted(maps.Keys(content)) {
		if content[name].Empty() {
			sealed[name] = []byte{}
			continue
		}
		nonce := make([]byte, box.NonceSize())
		if _, err := io.ReadFull(rand, nonce); err != nil {
			return nil, fmt.Errorf("encrypt %s: %w", name, err)
		}
		sealed[name] = box.Seal(nonce, nonce, content[name].Reveal(), nil)
	}
	return sealed, nil
}

// Unseal decrypts the entries of the Secret kubeadm-certs to files by their
// absolute paths on a control plane of c. Entries that are empty are left out;
// one that c needs and that is not there is an error.
func Unseal(data map[string][]byte, key secret.String, c *cluster.Cluster) (map[string]secret.Bytes, error) {
	content, err := Open(data, key)
	if err != nil {
		return nil, err
	}
	files := map[string]secret.Bytes{}
	paths := sharedPaths(c)
	for _, name := range slices.Sorted(maps.Keys(paths)) {
		found, ok := content[name]
		if !ok && paths[name] != "" {
			return nil, &SharedError{Missing, name, "it is not among them"}
		}
		if !found.Empty() && paths[name] != "" { // an etcd without TLS has no files
			files[paths[name]] = found
		}
	}
	return files, nil
}

// Open decrypts the entries of the Secret kubeadm-certs by their names there.
// An entry that is empty stays empty.
func Open(data map[string][]byte, key secret.String) (map[string]secret.Bytes, error) {
	box, err := boxOf(key)
	if err != nil {
		return nil, err
	}
	content := make(map[string]secret.Bytes, len(data))
	var damaged []string
	opened := 0
	for name, sealed := range data {
		plain, err := open(box, sealed)
		switch {
		case err != nil:
			damaged = append(damaged, name)
		case len(sealed) > 0:
			opened++
		}
		content[name] = secret.NewBytes(plain)
	}
	switch {
	case len(damaged) > 0 && opened == 0: // AES-GCM tells no wrong key from damage
		return nil, &SharedError{WrongKey, "", "they are encrypted under another certificate key"}
	case len(damaged) > 0:
		slices.Sort(damaged)
		return nil, &SharedError{Damaged, strings.Join(damaged, ", "), "damaged"}
	}
	return content, nil
}

func open(box cipher.AEAD, sealed []byte) ([]byte, error) {
	if len(sealed) == 0 {
		return nil, nil
	}
	if len(sealed) < box.NonceSize() {
		return nil, errors.New("shorter than a nonce")
	}
	return box.Open(nil, sealed[:box.NonceSize()], sealed[box.NonceSize():], nil)
}

// boxOf never tells what was given for a key.
func boxOf(key secret.String) (cipher.AEAD, error) {
	raw, err := hex.DecodeString(key.Reveal())
	if err != nil {
		return nil, &SharedError{Key, "", "the certificate key is not hexadecimal"}
	}
	if len(raw) != certificateKeySize {
		return nil, &SharedError{Key, "", fmt.Sprintf("the certificate key has %d bytes, not %d", len(raw), certificateKeySize)}
	}
	block, err := aes.NewCipher(raw)
	if err != nil {
		return nil, fmt.Errorf("use certificate key: %w", err)
	}
	return cipher.NewGCM(block)
}

// The names of entries are kubeadm's.
const (
	entryEtcdCA     = "etcd-ca.crt"
	entryEtcdKey    = "etcd-ca.key"
	entryClientCA   = "external-etcd-ca.crt"
	entryClientCert = "external-etcd.crt"
	entryClientKey  = "external-etcd.key"
)

// shared is what control planes have in common, by the names of entries.
func (b *Bundle) shared() map[string]secret.Bytes {
	ca, proxy, etcd := b.Pairs["ca"], b.Pairs["front-proxy-ca"], b.Pairs["etcd/ca"]
	content := map[string]secret.Bytes{
		"ca.crt": secret.NewBytes(ca.Cert), "ca.key": ca.Key,
		"front-proxy-ca.crt": secret.NewBytes(proxy.Cert), "front-proxy-ca.key": proxy.Key,
		"sa.pub": secret.NewBytes(b.ServiceAccount.Public), "sa.key": b.ServiceAccount.Private,
	}
	if e := b.EtcdClient; e != nil {
		content[entryClientCA], content[entryClientCert], content[entryClientKey] = secret.NewBytes(e.CA), secret.NewBytes(e.Cert), e.Key
	} else {
		content[entryEtcdCA], content[entryEtcdKey] = secret.NewBytes(etcd.Cert), etcd.Key
	}
	return content
}

// shareable says what is missing of what every control plane has. The files of
// an external etcd are not ours to miss.
func (b *Bundle) shareable() error {
	content, paths := b.shared(), sharedPaths(&cluster.Cluster{CertificatesDir: b.Dir})
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(content)) {
		if path := paths[name]; path != "" && content[name].Empty() && !strings.HasSuffix(name, "ca.key") {
			errs = append(errs, &CheckError{path, Missing, "all control planes have it, and it is not here", hintRestore})
		}
	}
	return errors.Join(errs...)
}

// sharedPaths is where each entry belongs.
func sharedPaths(c *cluster.Cluster) map[string]string {
	paths := map[string]string{
		"ca.crt": c.PKI("ca.crt"), "ca.key": c.PKI("ca.key"),
		"front-proxy-ca.crt": c.PKI("front-proxy-ca.crt"), "front-proxy-ca.key": c.PKI("front-proxy-ca.key"),
		"sa.pub": c.PKI("sa.pub"), "sa.key": c.PKI("sa.key"),
	}
	if e := c.Etcd.External; e != nil {
		paths[entryClientCA], paths[entryClientCert], paths[entryClientKey] = e.CAFile, e.CertFile, e.KeyFile
	} else {
		paths[entryEtcdCA], paths[entryEtcdKey] = c.PKI("etcd/ca.crt"), c.PKI("etcd/ca.key")
	}
	return paths
}

// SharedFiles are the paths of what control planes of c have in common.
func SharedFiles(c *cluster.Cluster) []string {
	paths := slices.Sorted(maps.Values(sharedPaths(c)))
	return slices.DeleteFunc(paths, func(path string) bool { return path == "" })
}
