package pki

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/cloudflare/cfssl/helpers/derhelpers"

	"github.com/clusteradm/clusteradm/internal/secret"
)

const (
	blockCert   = "CERTIFICATE"
	blockRSAKey = "RSA PRIVATE KEY"
	blockECKey  = "EC PRIVATE KEY"
	blockKey    = "PRIVATE KEY"
	blockPublic = "PUBLIC KEY"
)

// Pin returns how tokens pin a CA: "sha256:" and the digest, in hex, of its
// public key.
func Pin(certPEM []byte) (string, error) {
	certs, err := decodeCerts(certPEM)
	if err != nil {
		return "", fmt.Errorf("pin ca: %w", err)
	}
	sum := sha256.Sum256(certs[0].RawSubjectPublicKeyInfo)
	return "sha256:" + hex.EncodeToString(sum[:]), nil
}

// decodeCerts returns at least one certificate. The first one is the one that
// the file is about; a chain or further CAs may follow.
func decodeCerts(data []byte) ([]*x509.Certificate, error) {
	blocks, err := decodeBlocks(data)
	if err != nil {
		return nil, err
	}
	var certs []*x509.Certificate
	for _, b := range blocks {
		if b.Type != blockCert {
			continue
		}
		cert, err := x509.ParseCertificate(b.Bytes)
		if err != nil {
			return nil, err
		}
		certs = append(certs, cert)
	}
	if len(certs) == 0 {
		return nil, errors.New("no certificate in it")
	}
	return certs, nil
}

func decodeKey(data secret.Bytes) (crypto.Signer, error) {
	blocks, err := decodeBlocks(data.Reveal())
	if err != nil {
		return nil, err
	}
	for _, b := range blocks { // openssl puts EC PARAMETERS first
		if b.Type == "ENCRYPTED PRIVATE KEY" || b.Headers["DEK-Info"] != "" {
			return nil, errors.New("the private key is encrypted, it must be in the clear")
		}
		if b.Type != blockRSAKey && b.Type != blockECKey && b.Type != blockKey {
			continue
		}
		key, err := derhelpers.ParsePrivateKeyDER(b.Bytes)
		if err != nil {
			return nil, errors.New("not a private key") // cfssl's error says less
		}
		switch key.(type) {
		case *rsa.PrivateKey, *ecdsa.PrivateKey:
			return key, nil
		}
		return nil, errors.New("neither an rsa nor an ecdsa key")
	}
	return nil, errors.New("no private key in it")
}

func decodePublic(data []byte) (crypto.PublicKey, error) {
	blocks, err := decodeBlocks(data)
	if err != nil {
		return nil, err
	}
	for _, b := range blocks {
		if b.Type == blockPublic {
			return x509.ParsePKIXPublicKey(b.Bytes)
		}
	}
	return nil, errors.New("no public key in it")
}

// decodeBlocks tells a file that was cut short from one that just ends.
func decodeBlocks(data []byte) ([]*pem.Block, error) {
	var blocks []*pem.Block
	for {
		block, rest := pem.Decode(data)
		if block == nil {
			break
		}
		blocks, data = append(blocks, block), rest
	}
	if bytes.Contains(data, []byte("-----BEGIN")) {
		return nil, errors.New("truncated or damaged pem")
	}
	return blocks, nil
}

func encodeCert(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: blockCert, Bytes: der})
}

// encodeKey writes the formats that kubeadm writes, PKCS #1 and SEC 1.
func encodeKey(key crypto.Signer) (secret.Bytes, error) {
	switch k := key.(type) {
	case *rsa.PrivateKey:
		return secret.NewBytes(pem.EncodeToMemory(&pem.Block{Type: blockRSAKey, Bytes: x509.MarshalPKCS1PrivateKey(k)})), nil
	case *ecdsa.PrivateKey:
		der, err := x509.MarshalECPrivateKey(k)
		if err != nil {
			return secret.Bytes{}, fmt.Errorf("encode key: %w", err)
		}
		return secret.NewBytes(pem.EncodeToMemory(&pem.Block{Type: blockECKey, Bytes: der})), nil
	}
	return secret.Bytes{}, errors.New("encode key: neither an rsa nor an ecdsa key")
}

func encodePublic(key crypto.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode public key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: blockPublic, Bytes: der}), nil
}

func sameKey(a, b crypto.PublicKey) bool {
	k, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(b)
}

// CommonName is that of the first certificate in a file that may hold keys,
// too; empty when none can be read.
func CommonName(data []byte) string {
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != blockCert {
			continue
		}
		if cert, err := x509.ParseCertificate(block.Bytes); err == nil {
			return cert.Subject.CommonName
		}
	}
	return ""
}
