// Verifies an export of `entente audit export DIR`, and receipts, with Go's golang.org/x/mod/sumdb/note and tlog, which
// none of us wrote: the signature of every checkpoint, every cosignature, every leaf and tile, every root, and the record
// that a receipt proves.
//
//	go run . DIR [RECEIPT...]
//
// It trusts the keys in the export (log.vkey, witness.vkeys), for it shows that the formats are those of C2SP and of the
// Go checksum database. Whose keys they are is what `entente audit verify` finds out, from the charter.
package main

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// A cosignature of type 0x04 (c2sp.org/tlog-cosignature), which x/mod has no verifier for but takes from others.
type cosigner struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

func (c cosigner) Name() string    { return c.name }
func (c cosigner) KeyHash() uint32 { return c.hash }
func (c cosigner) Verify(msg, sig []byte) bool {
	if len(sig) != 8+ed25519.SignatureSize {
		return false
	}
	signed := fmt.Sprintf("cosignature/v1\ntime %d\n%s", binary.BigEndian.Uint64(sig), msg)
	return ed25519.Verify(c.key, []byte(signed), sig[8:])
}

// A verifier for a vkey: x/mod's own for type 0x01, the one above for 0x04.
func verifier(vkey string) (note.Verifier, error) {
	parts := strings.SplitN(vkey, "+", 3)
	if len(parts) != 3 {
		return nil, fmt.Errorf("%q is no vkey", vkey)
	}
	key, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(key) != 33 {
		return nil, fmt.Errorf("%q is no vkey of an Ed25519 key", vkey)
	}
	if key[0] == 1 {
		return note.NewVerifier(vkey)
	}
	var hash uint32
	if _, err := fmt.Sscanf(parts[1], "%08x", &hash); err != nil || key[0] != 4 {
		return nil, fmt.Errorf("%q is of a type that is not known here", vkey)
	}
	return cosigner{parts[0], hash, ed25519.PublicKey(key[1:])}, nil
}

// Tiles of an export. x/mod writes tile/8/0/000 where C2SP tlog-tiles writes tile/0/000.
type tiles struct{ dir string }

func (t tiles) Height() int                     { return 8 }
func (t tiles) SaveTiles([]tlog.Tile, [][]byte) {}
func (t tiles) ReadTiles(want []tlog.Tile) ([][]byte, error) {
	read := make([][]byte, len(want))
	for i, tile := range want {
		path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
		bytes, err := os.ReadFile(filepath.Join(t.dir, path))
		if err != nil {
			return nil, err
		}
		read[i] = bytes
	}
	return read, nil
}

type log struct {
	origin    string
	tree      tlog.Tree
	verifiers note.Verifiers
}

// Opens a checkpoint with these keys; gives the tree and how many cosigned it.
func open(text []byte, keys note.Verifiers, origin string) (tlog.Tree, int, error) {
	opened, err := note.Open(text, keys)
	if err != nil {
		return tlog.Tree{}, 0, err
	}
	if len(opened.UnverifiedSigs) > 0 {
		return tlog.Tree{}, 0, fmt.Errorf("a signature by %s is by no key of the export", opened.UnverifiedSigs[0].Name)
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != origin {
		return tlog.Tree{}, 0, fmt.Errorf("the checkpoint is not of %s, or has extension lines", origin)
	}
	// x/mod reads the same three lines under the first line of the Go checksum database.
	tree, err := tlog.ParseTree([]byte("go.sum database tree\n" + lines[1] + "\n" + lines[2] + "\n"))
	return tree, len(opened.Sigs) - 1, err
}

func verifyLog(dir string) (log, error) {
	vkey, err := os.ReadFile(filepath.Join(dir, "log.vkey"))
	if err != nil {
		return log{}, err
	}
	witnesses, err := os.ReadFile(filepath.Join(dir, "witness.vkeys"))
	if err != nil {
		return log{}, err
	}
	var keys []note.Verifier
	for _, line := range strings.Fields(string(vkey) + string(witnesses)) {
		key, err := verifier(line)
		if err != nil {
			return log{}, err
		}
		keys = append(keys, key)
	}
	checkpoint, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	if err != nil {
		return log{}, err
	}
	found := log{origin: keys[0].Name(), verifiers: note.VerifierList(keys...)}
	tree, cosigned, err := open(checkpoint, found.verifiers, found.origin)
	if err != nil {
		return log{}, err
	}
	found.tree = tree
	reader := tlog.TileHashReader(tree, tiles{dir})
	var read int64
	for read < tree.N {
		width := min(256, tree.N-read)
		tile := tlog.Tile{H: 8, L: 0, N: read / 256, W: int(width)}
		path := strings.Replace(tile.Path(), "tile/8/0/", "tile/entries/", 1)
		bundle, err := os.ReadFile(filepath.Join(dir, path))
		if err != nil {
			return log{}, err
		}
		for range width {
			if len(bundle) < 2 || len(bundle) < 2+int(binary.BigEndian.Uint16(bundle)) {
				return log{}, fmt.Errorf("%s ends too early", path)
			}
			size := 2 + int(binary.BigEndian.Uint16(bundle))
			// The reader proves each hash that it gives against the signed root.
			hashes, err := reader.ReadHashes([]int64{tlog.StoredHashIndex(0, read)})
			if err != nil {
				return log{}, err
			}
			if hashes[0] != tlog.RecordHash(bundle[2:size]) {
				return log{}, fmt.Errorf("leaf %d is another one than the tree has", read)
			}
			bundle, read = bundle[size:], read+1
		}
		if len(bundle) > 0 {
			return log{}, fmt.Errorf("%s has bytes behind its end", path)
		}
	}
	fmt.Printf("%s: %d leaves under the signed root, %d cosignatures\n", found.origin, tree.N, cosigned)
	return found, nil
}

func verifyReceipt(path string, logs map[string]log) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	proof, checkpoint, ok := bytes.Cut(text, []byte("\n\n"))
	lines := strings.Split(string(proof), "\n")
	if !ok || len(lines) < 3 || lines[0] != "c2sp.org/tlog-proof@v1" {
		return errors.New("it is no c2sp.org/tlog-proof@v1")
	}
	extra, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(lines[1], "extra "))
	if err != nil || len(extra) < 2 || len(extra) < 2+int(binary.BigEndian.Uint16(extra)) {
		return errors.New("its extra line holds no leaf")
	}
	var index int64
	if _, err := fmt.Sscanf(lines[2], "index %d", &index); err != nil {
		return err
	}
	var hashes tlog.RecordProof
	for _, line := range lines[3:] {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return err
		}
		hashes = append(hashes, hash)
	}
	origin, _, _ := strings.Cut(string(checkpoint), "\n")
	of, ok := logs[origin]
	if !ok {
		return fmt.Errorf("the export has no log %s", origin)
	}
	tree, _, err := open(checkpoint, of.verifiers, origin)
	if err != nil {
		return err
	}
	leaf := tlog.RecordHash(extra[2 : 2+int(binary.BigEndian.Uint16(extra))])
	if err := tlog.CheckRecord(hashes, tree.N, tree.Hash, index, leaf); err != nil {
		return err
	}
	// And the export's log goes on from the receipt's.
	grown, err := tlog.ProveTree(of.tree.N, tree.N, tlog.TileHashReader(of.tree, tiles{filepath.Join(os.Args[1], "logs", filepath.Base(origin))}))
	if err == nil {
		err = tlog.CheckTree(grown, of.tree.N, of.tree.Hash, tree.N, tree.Hash)
	}
	if err == nil {
		fmt.Printf("%s: record %d of %s\n", path, index, origin)
	}
	return err
}

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: go run . DIR [RECEIPT...]")
		os.Exit(2)
	}
	fail := func(what string, err error) {
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", what, err)
			os.Exit(4)
		}
	}
	dirs, err := filepath.Glob(filepath.Join(os.Args[1], "logs", "*"))
	fail(os.Args[1], err)
	if len(dirs) == 0 {
		fail(os.Args[1], errors.New("it is no export: it has no logs"))
	}
	logs := map[string]log{}
	for _, dir := range dirs {
		found, err := verifyLog(dir)
		fail(dir, err)
		logs[found.origin] = found
	}
	for _, path := range os.Args[2:] {
		fail(path, verifyReceipt(path, logs))
	}
}
