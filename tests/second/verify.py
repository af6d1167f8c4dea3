#!/usr/bin/env python3
"""Verifies the golden vectors of Entente with a second implementation of the protocol. See README.md beside this file."""

import argparse
import copy
import functools
import json
import random
import re
import sys
from pathlib import Path

import protocol
from protocol import Refused, need

PROTOS = Path(__file__).resolve().parents[2] / "proto" / "protos"


class Vectors:
    """The files, in memory; one of them may be replaced."""

    def __init__(self, folder):
        self.files = {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
        self.parsed = {name: json.loads(raw) for name, raw in self.files.items() if name.endswith(".json")}
        self.used, self.reasons, self.altered = set(), [], False

    def json(self, name):
        self.used.add(name)
        return self.parsed[name]

    def raw(self, name):
        self.used.add(name)
        return self.files[name]

    def with_raw(self, name, raw):
        return self.changed("files", name, raw)

    def with_json(self, name, value):
        return self.changed("parsed", name, value)

    def changed(self, where, name, value):
        other = copy.copy(self)
        other.altered = True
        setattr(other, where, {**getattr(self, where), name: value})
        return other

    def refuse(self, what, check):
        """What must not hold, does not. Not asked again of vectors that were altered."""
        if self.altered:
            return
        try:
            check()
        except Refused as reason:
            self.reasons.append(f"{what[:80]}: {reason}")
            return
        raise Refused(f"{what} must be refused, and is not")


def same(found, expected, what):
    need(found == expected, f"{what}: found {found}, expected {expected}")


def leaves(vectors):
    said = vectors.json("leaves/leaves.json")
    entries = protocol.read_run(vectors.raw("leaves/entries.run"))
    same(len(entries), len(said["entries"]), "entries of the run")
    for entry, expected in zip(entries, said["entries"]):
        found = {
            "kind": entry.kind,
            "time_ms": entry.time_ms,
            "payload_size": entry.payload_size,
            "commitment": entry.commitment.hex(),
            "leaf": entry.leaf.hex(),
            "leaf_hash": protocol.leaf_hash(entry.leaf).hex(),
            "opening": entry.opening and entry.opening.hex(),
            "payload_sha256": entry.payload and protocol.sha256(entry.payload).hex(),
        }
        same(found, expected, "an entry")
        header = {name: getattr(entry, name) for name in ("kind", "time_ms", "payload_size", "commitment")}
        same(protocol.encode("EntryHeader", header), entry.leaf, "a leaf encoded again")
    for case in said["refused_leaves"]:
        vectors.refuse(case["why"], lambda: protocol.Entry(bytes.fromhex(case["leaf"]), None))
    for case in said["refused_runs"]:
        vectors.refuse(case["why"], lambda: protocol.read_run(bytes.fromhex(case["run"])))


@functools.cache
def counted_root(begin, end):
    """The root over the leaves begin..end of the tree whose leaf i is the eight bytes of i."""
    return protocol.root([protocol.leaf_hash(n.to_bytes(8, "big")) for n in range(begin, end)])


def tree(vectors):
    said = vectors.json("tree.json")
    for case in said["roots"]:
        same(counted_root(0, case["size"]).hex(), case["root"], f"the root of {case['size']}")
    for bundle, expected in enumerate(said["level1"]):
        same(counted_root(256 * bundle, 256 * bundle + 256).hex(), expected, f"the level-1 hash {bundle}")
    for case in said["inclusion"]:
        index, size, proof = case["index"], case["size"], [bytes.fromhex(hash_) for hash_ in case["proof"]]
        leaf = protocol.leaf_hash(index.to_bytes(8, "big"))
        protocol.verify_inclusion(leaf, index, size, proof, counted_root(0, size))
        for bad in (proof[:-1], proof + [leaf]):
            if bad != proof:
                what = f"{index} in {size} by another proof"
                vectors.refuse(what, lambda: protocol.verify_inclusion(leaf, index, size, bad, counted_root(0, size)))
    for case in said["consistency"]:
        old, new, proof = case["old"], case["new"], [bytes.fromhex(hash_) for hash_ in case["proof"]]
        roots = counted_root(0, old), counted_root(0, new)
        protocol.verify_consistency(old, roots[0], new, roots[1], proof)
        for bad in (proof[:-1], proof + [roots[0]]):
            if bad != proof:
                what = f"{old} to {new} by another proof"
                vectors.refuse(what, lambda: protocol.verify_consistency(old, roots[0], new, roots[1], bad))
    outline = said["outline"]
    held, size = outline["held"] // 256 * 256, outline["size"]
    begin = held + 256 * len(outline["level1"])
    places = [*protocol.subtrees(0, held)] + [(8, held // 256 + n) for n in range(len(outline["level1"]))]
    places += protocol.subtrees(begin, size)
    # What is held, what is said: the hashes in order, each the subtree of its place.
    own = [counted_root(index << level, index + 1 << level).hex() for level, index in protocol.subtrees(0, held)]
    hashes = own + outline["level1"] + outline["rest"]
    same(len(hashes), len(places), "hashes of the outline")
    for (level, index), hash_ in zip(places, hashes):
        same(counted_root(index << level, index + 1 << level).hex(), hash_, f"the subtree {level}, {index}")


def keys(vectors):
    said = vectors.json("keys.json")
    for case in said["keys"]:
        key = protocol.Key(case["text"])
        found = {"name": key.name, "type": key.type, "id": key.id.hex(), "public": key.public.hex(), "text": key.text}
        same(found, case, "a key")
    for case in said["refused_public_keys"]:
        vectors.refuse(case["why"], lambda: protocol.check_public_key(bytes.fromhex(case["public"])))
    for case in said["refused_texts"]:
        vectors.refuse(case["why"], lambda: protocol.Key(case["text"]))


def quorums(vectors):
    for m, *expected in vectors.json("quorum.json")["m_f_q_answers"]:
        same([*protocol.quorum(m)], expected, f"the quorum among {m}")


@functools.lru_cache(maxsize=8)
def read_charter(raw):
    return protocol.Charter(raw)


def charter(vectors):
    said = vectors.json("charter/charter.json")
    read = read_charter(vectors.raw(said["file"]))
    units = [
        {
            "id": unit.id,
            "name": unit.name,
            "charter_key": unit.charter_key.text,
            "log_key": unit.log_key.text,
            "mirror_key": unit.mirror_key.text,
            "ca_sha256": [protocol.sha256(der).hex() for der in unit.ca],
            "addresses": unit.addresses,
        }
        for unit in read.units.values()
    ]
    found = {
        "file": said["file"],
        "digest": read.digest.hex(),
        "network": read.network,
        "version": read.version,
        "fold": read.fold,
        "m_f_q": read.m_f_q,
        "units": units,
        "refused": said["refused"],
    }
    same(found, said, "the charter")
    for unit in read.units.values():
        pem = vectors.raw(f"charter/ca/{unit.id}.pem").decode(errors="replace")
        same(unit.ca, [protocol.from_pem(pem)], f"the certificate of {unit.id}")
    for file in said["refused"]:
        vectors.refuse(file, lambda: protocol.Charter(vectors.raw(file)))


def checkpoints(vectors):
    said = vectors.json("checkpoints/checkpoints.json")
    units = read_charter(vectors.raw("charter/1.note"))
    for case in said["accepted"]:
        size, root, cosigners, certified = units.read_checkpoint(case["log"], vectors.raw(case["file"]))
        found = {
            "file": case["file"],
            "log": case["log"],
            "size": size,
            "root": root.hex(),
            "cosigners": [{"unit": unit, "time": time} for unit, time in sorted(cosigners.items())],
            "certified": certified,
        }
        same(found, case, "a checkpoint")
    for case in said["refused"]:
        vectors.refuse(case["file"], lambda: units.read_checkpoint(case["log"], vectors.raw(case["file"])))


def records(vectors):
    targets, payloads = vectors.json("records/targets.json"), vectors.json("records/payloads.json")
    for target in targets["accepted"]:
        protocol.check_target(target)
    for target in targets["refused"]:
        vectors.refuse(target, lambda: protocol.check_target(target))
    for case in payloads["sound"]:
        payload = bytes.fromhex(case["payload"])
        protocol.statement(case["kind"], payload)
        same(protocol.encode("Record", protocol.decode("Record", payload)), payload, "a payload encoded again")
    for case in payloads["set_aside"]:
        vectors.refuse(case["why"], lambda: protocol.statement(case["kind"], bytes.fromhex(case["payload"])))


def network(vectors):
    said = vectors.json("network/network.json")
    units = read_charter(vectors.raw(said["charter"]))
    logs = {unit: protocol.read_run(vectors.raw(f"network/{unit}.run")) for unit in units.units}
    aside = [
        f"{unit}/{index}"
        for unit, log in sorted(logs.items())
        for index, entry in enumerate(log)
        if entry.payload is not None and protocol.read_statement(entry) is None
    ]
    same(aside, said["set_aside"], "what is set aside")
    complete = {
        unit: [protocol.complete_up_to(log[:size], size) for size in range(len(log) + 1)] for unit, log in logs.items()
    }
    same(complete, said["complete_up_to"], "up to where logs are complete")
    for frontier in said["frontiers"]:
        at(vectors, frontier, units, logs)


def at(vectors, said, units, logs):
    """A frontier: its certified checkpoints, the rows, and both digests."""
    frontier = {}
    same({log["unit"] for log in said["logs"]}, set(units.units), "the units of a frontier")
    for log in said["logs"]:
        unit = log["unit"]
        size, root, _, certified = units.read_checkpoint(unit, vectors.raw(log["checkpoint"]))
        need(certified, f"the checkpoint of {unit} is not certified")
        same([size, root.hex()], [log["size"], log["root"]], f"the checkpoint of {unit}")
        need(size <= len(logs[unit]), f"a checkpoint of {unit} beyond its log")
        same(protocol.root([protocol.leaf_hash(entry.leaf) for entry in logs[unit][:size]]), root, f"the root of {unit}")
        same(protocol.complete_up_to(logs[unit][:size], size), size, f"up to where {unit} is complete")
        frontier[unit] = size, root
    rows = protocol.Fold({unit: logs[unit][:size] for unit, (size, _) in frontier.items()}).rows()
    same(sorted(rows, key=str.encode), [row["target"] for row in said["rows"]], "the targets")
    hashes = {}
    for expected in said["rows"]:
        target = expected["target"]
        raw = protocol.encode("Row", rows[target])
        hashes[target] = protocol.sha256(raw)
        status = protocol.STATUS_WORDS[rows[target]["status"]]
        found = {"target": target, "status": status, "row": raw.hex(), "hash": hashes[target].hex()}
        same(found, expected, f"the row of {target}")
    digest = protocol.sha256(protocol.frontier_bytes(units.digest, frontier))
    same(digest.hex(), said["frontier_digest"], "the frontier digest")
    digest = protocol.sha256(protocol.list_bytes(units.digest, frontier, hashes))
    same(digest.hex(), said["list_digest"], "the list digest")


def receipts(vectors):
    said = vectors.json("receipts/receipts.json")
    units = read_charter(vectors.raw("charter/1.note"))
    read = {}
    for case in said["accepted"]:
        receipt = protocol.Receipt(vectors.raw(case["file"]), units)
        found = {
            "file": case["file"],
            "id": f"{receipt.unit}/{receipt.index}",
            "kind": receipt.entry.kind,
            "time_ms": receipt.entry.time_ms,
            "leaf": receipt.entry.leaf.hex(),
            "opening": receipt.entry.opening.hex(),
            "payload": receipt.entry.payload.hex(),
            "proof": [hash_.hex() for hash_ in receipt.proof],
            "size": receipt.size,
            "root": receipt.root.hex(),
            "cosigners": [{"unit": unit, "time": time} for unit, time in sorted(receipt.cosigners.items())],
            "certified": receipt.certified,
        }
        same(found, case, "a receipt")
        read[case["file"].removeprefix("receipts/").removesuffix(".receipt")] = receipt
    bearings = [
        {"later": later, "does": receipt.does(of), "earlier": earlier}
        for later, receipt in read.items()
        for earlier, of in read.items()
        if receipt.does(of)
    ]
    same(bearings, said["bearings"], "what records do to others")
    for file in said["refused"]:
        vectors.refuse(file, lambda: protocol.Receipt(vectors.raw(file), units))


CHECKS = {
    "leaves": leaves,
    "tree": tree,
    "keys": keys,
    "quorum": quorums,
    "charter": charter,
    "checkpoints": checkpoints,
    "records": records,
    "network": network,
    "receipts": receipts,
}

# What says nothing that is verified: explanations, names of files, what is refused already. Whether a target or a payload
# is accepted has nothing beside it by which an alteration could be told; and any size from 256 to 511 holds one bundle.
NOT_ALTERED = {"why", "file", "log", "checkpoint", "name of a frontier", "charter", "held"}
NOT_ALTERED_FILES = re.compile(r"README\.md|records/.*|.*/refused/.*")


def alterations(vectors, most, rng):
    """What was altered, the check that must see it, and the vectors with it."""
    for name, raw in vectors.files.items():
        if NOT_ALTERED_FILES.fullmatch(name):
            continue
        check = CHECKS[re.split(r"[./]", name)[0]]
        if name.endswith(".json"):
            for path, value in values(vectors.parsed[name], ()):
                for altered in altered_values(value, most, rng):
                    said = copy.deepcopy(vectors.parsed[name])
                    place = functools.reduce(lambda inner, step: inner[step], path[:-1], said)
                    place[path[-1]] = altered
                    yield f"{name} {'.'.join(map(str, path))}", check, vectors.with_json(name, said)
        else:
            bits = [bit for bit in range(8 * len(raw)) if not ignored(raw, bit // 8)]
            for bit in bits if len(bits) <= most else rng.sample(bits, most):
                altered = bytearray(raw)
                altered[bit // 8] ^= 1 << bit % 8
                yield f"{name} bit {bit}", check, vectors.with_raw(name, bytes(altered))


def values(said, path):
    if isinstance(said, (dict, list)):
        for step, inner in said.items() if isinstance(said, dict) else enumerate(said):
            refused = isinstance(step, str) and step.startswith("refused")
            named = "name of a frontier" if path[:1] == ("frontiers",) and step == "name" else step
            if named not in NOT_ALTERED and not refused:
                yield from values(inner, (*path, step))
    elif said is not None:
        yield path, said


def altered_values(value, most, rng):
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield value + 1
    elif re.fullmatch(r"([0-9a-f]{2})+", value):
        raw = bytes.fromhex(value)
        for bit in range(8 * len(raw)) if 8 * len(raw) <= most else rng.sample(range(8 * len(raw)), most):
            altered = bytearray(raw)
            altered[bit // 8] ^= 1 << bit % 8
            yield altered.hex()
    else:
        at = rng.randrange(len(value))
        yield value[:at] + chr(ord(value[at]) ^ 1) + value[at + 1 :]


def ignored(raw, at):
    """Whether a byte stands in the signature line of a key that the reader does not know."""
    begin = raw.rfind(b"\n", 0, at) + 1
    line = raw[begin : raw.find(b"\n", at) + 1 or len(raw)]
    return line.startswith("\u2014 witness.example".encode()) or (
        raw.startswith(b"takedown.example/BE\n") and line.startswith("\u2014 takedown.example/BE/mirror ".encode())
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("vectors", type=Path, help="the folder tests/vectors")
    parser.add_argument("--mutate", nargs="?", type=int, const=64, metavar="N", help="flip up to N bits (64) of each value, and expect each to be refused")
    parser.add_argument("--seed", type=int, default=1, help="of the choice of bits (1)")
    parser.add_argument("--reasons", action="store_true", help="show why what must be refused was refused")
    options = parser.parse_args()
    if not options.vectors.is_dir():
        parser.error(f"{options.vectors} is not a folder")
    protocol.read_protos(PROTOS)
    vectors = Vectors(options.vectors)
    for name, check in CHECKS.items():
        before = len(vectors.reasons)
        try:
            check(vectors)
        except Refused as reason:
            print(f"{name}: FAILED: {reason}", file=sys.stderr)
            return 1
        print(f"{name}: verified; {len(vectors.reasons) - before} that must be refused are refused")
    unused = vectors.files.keys() - vectors.used - {"README.md"}
    if unused:
        print(f"never looked at: {', '.join(sorted(unused))}", file=sys.stderr)
        return 1
    if options.reasons:
        print("\n".join(vectors.reasons))
    if options.mutate is not None:
        return mutate(vectors, options.mutate, random.Random(options.seed))
    return 0


def mutate(vectors, most, rng):
    count = 0
    for what, check, altered in alterations(vectors, most, rng):
        try:
            check(altered)
        except Refused:
            count += 1
            continue
        print(f"altered, and nobody noticed: {what}", file=sys.stderr)
        return 1
    print(f"{count} alterations, each refused")
    return 0


if __name__ == "__main__":
    sys.exit(main())
