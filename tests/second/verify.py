"""Verifies golden vectors: `verify.py VECTORS_DIR [--mutate [N]]`.

It prints a line a part and exits with 0, or says what differs and exits with 1. What the vectors say is computed anew
from their inputs. With --mutate each value that is compared is altered, one bit at a time, up to N bits of it spread
evenly (16 unless told), and every alteration must be noticed.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import protocol
from protocol import Charter, Checkpoint, Entry, Key, Note, Refused, Tree, sha256

NETWORK, UNITS = "takedown.example", ("BE", "FR", "NL", "UK")
OPERATION_UNITS = ("BE", "FR", "NL", "UK", "US")
COUNTING = Tree([protocol.leaf_hash(i.to_bytes(8)) for i in range(1024)])
"""The tree of tree.json."""


class Differs(Exception):
    """A vector says something else than what was computed."""


class Vectors:
    """The files of the vectors, of which one may be replaced by an altered one."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.altered: dict[str, Any] = {}

    def read(self, path: str) -> bytes:
        return self.altered[path] if path in self.altered else (self.root / path).read_bytes()

    def json(self, path: str) -> Any:
        return self.altered[path] if path in self.altered else json.loads(self.read(path))

    def same_files(self, folder: str, files: list[str]) -> None:
        found = [path.relative_to(self.root).as_posix() for path in (self.root / folder).iterdir()]
        same(f"the files of {folder}", sorted(found), sorted(files))

    def charter(self) -> Charter:
        return protocol.read_charter(self.read("charter/1.note"))

    def checkpoint(self, charter: Charter, file: str, unit: str) -> Checkpoint:
        return protocol.read_checkpoint(self.read(file), charter.units[unit].keys[1], charter.mirrors(unit))


def same(what: str, computed: Any, said: Any) -> None:
    """Compares what was computed with what the vectors say, so that truth and numbers are not taken for each other."""
    if json.dumps(computed, sort_keys=True) != json.dumps(said, sort_keys=True):
        raise Differs(f"{what}: computed {str(computed)[:300]}, the vectors say {str(said)[:300]}")


def refused(what: str, check: Callable[..., Any], *arguments: Any) -> None:
    """Expects that a rule of the protocol is broken."""
    try:
        check(*arguments)
    except Refused:
        return
    raise Differs(f"{what} is not refused")


def unhex(values: list[str]) -> list[bytes]:
    """Reads hexadecimal, lower-case alone."""
    hashes = [bytes.fromhex(value) for value in values]
    same("hexadecimal in its one form", [value.hex() for value in hashes], values)
    return hashes


def accept_target(target: str) -> None:
    protocol.require(protocol.is_target(target), "not a target in canonical form")


def check_leaves(v: Vectors) -> str:
    said, run = v.json("leaves/leaves.json"), v.read("leaves/entries.run")
    computed, written = [], b""
    for entry in protocol.read_run(run):
        header, body = entry.header, (entry.opening or b"") + (entry.payload or b"")
        leaf = protocol.encode("EntryHeader", header)
        written += len(leaf).to_bytes(2) + leaf + len(body).to_bytes(4) + body
        item = {**header, "commitment": header["commitment"].hex(), "leaf": leaf.hex()}
        item["leaf_hash"] = protocol.leaf_hash(entry.leaf).hex()
        item["opening"] = entry.opening.hex() if entry.opening else None
        item["payload_sha256"] = sha256(entry.payload).hex() if entry.payload else None
        computed.append(item)
    same("entries", computed, said["entries"])
    same("the run written again", written.hex(), run.hex())
    for item in said["refused_leaves"]:
        refused(f"a leaf: {item['why']}", protocol.parse_leaf, bytes.fromhex(item["leaf"]))
    for item in said["refused_runs"]:
        refused(f"a run: {item['why']}", protocol.read_run, bytes.fromhex(item["run"]))
    return f"{len(computed)} entries; refused: {len(said['refused_leaves'])} leaves, {len(said['refused_runs'])} runs"


def check_tree(v: Vectors) -> str:
    said, leaves = v.json("tree.json"), COUNTING.leaves
    roots = [COUNTING.root(0, size) for size in range(len(leaves) + 1)]
    for item in said["roots"]:
        same("a root", roots[item["size"]].hex(), item["root"])
    same("level-1 hashes", [COUNTING.root(i, i + 256).hex() for i in range(0, len(leaves), 256)], said["level1"])
    for item in said["inclusion"]:
        index, size = item["index"], item["size"]
        root = protocol.inclusion_root(leaves[index], index, size, unhex(item["proof"]))
        same(f"the root that includes {index}", root.hex(), roots[size].hex())
    for item in said["consistency"]:
        old, new = item["old"], item["new"]
        both = protocol.consistency_roots(old, new, roots[old], unhex(item["proof"]))
        same(f"the roots of {old} and {new}", [root.hex() for root in both], [roots[old].hex(), roots[new].hex()])
    outline, size = said["outline"], said["outline"]["size"]
    begin, end = outline["held"] // 256 * 256, size // 256 * 256
    held = [(level, COUNTING.root(i << level, i + 1 << level)) for level, i in protocol.subtrees(0, begin)]
    bundles = [(8, value) for value in unhex(outline["level1"])]
    levels = [level for level, _ in protocol.subtrees(end, size)]
    rest = list(zip(levels, unhex(outline["rest"]), strict=True))
    same("how many bundles the outline has", len(bundles), (end - begin) // 256)
    same("the root of the outline", protocol.joined_root([*held, *bundles, *rest]).hex(), roots[size].hex())
    return f"{len(said['roots'])} roots, {len(said['inclusion'])} and {len(said['consistency'])} proofs, an outline"


def check_keys(v: Vectors) -> str:
    said, computed = v.json("keys.json"), []
    for unit in UNITS:
        for role, key_type, suffix in protocol.ROLES:
            private = Ed25519PrivateKey.from_private_bytes(sha256(f"{role} {unit}".encode()))
            key = Key(f"{NETWORK}/{unit}{suffix}", key_type, private.public_key().public_bytes_raw())
            same(f"{key.name} read again", protocol.parse_key(key.text) == key, True)
            public = {"public": key.public.hex(), "text": key.text, "type": key.type}
            computed.append({"id": key.id.hex(), "name": key.name, **public})
    same("keys", computed, said["keys"])
    for item in said["refused_public_keys"]:
        refused(f"a public key: {item['why']}", protocol.check_public_key, bytes.fromhex(item["public"]))
    for item in said["refused_texts"]:
        refused(f"a written key: {item['why']}", protocol.parse_key, item["text"])
    public, written = len(said["refused_public_keys"]), len(said["refused_texts"])
    return f"{len(computed)} keys; refused: {public} public, {written} written"


def signed(item: dict[str, str]) -> tuple[Note, Key]:
    """A text with one signature, and the key, which must be one that can stand in a charter."""
    key = Key(f"{NETWORK}/BE", 1, bytes.fromhex(item["public"]))
    protocol.check_public_key(key.public)
    return Note(item["text"], {(key.name, key.id): bytes.fromhex(item["signature"])}), key


def check_notes(v: Vectors) -> str:
    said = v.json("notes/notes.json")
    for item in said["accepted"]:
        note = protocol.parse_note(v.read(item["file"]), protocol.NOTE_BYTES_MAX)
        lines = [
            {"name": name, "id": key_id.hex(), "signature_sha256": sha256(signature).hex()}
            for (name, key_id), signature in note.signatures.items()
        ]
        same(f"the text of {item['file']}", sha256(note.text.encode()).hex(), item["text_sha256"])
        same(f"the lines of {item['file']}", lines, item["lines"])
    for file in said["refused"]:
        refused(file, protocol.parse_note, v.read(file), protocol.NOTE_BYTES_MAX)
    v.same_files("notes/refused", said["refused"])
    hold, broken = ([signed(item) for item in said[key]] for key in ("signatures", "refused_signatures"))
    for note, key in hold:
        protocol.verify_signature(note, key)
    for item, (note, key) in zip(said["refused_signatures"], broken, strict=True):
        refused(f"a signature: {item['why']}", protocol.verify_signature, note, key)
    notes = f"{len(said['accepted'])} accepted, {len(hold)} signatures"
    return f"{notes}; refused: {len(said['refused'])} and {len(broken)} signatures"


def check_quorum(v: Vectors) -> str:
    said = v.json("quorum.json")["m_f_q_answers"]
    numbers = [(m, protocol.faulty(m), protocol.quorum(m)) for m in range(len(said))]
    same("quorum numbers", [[m, f, q, protocol.answers_to_start(m, q)] for m, f, q in numbers], said)
    return f"m from 0 to {len(said) - 1}"


def check_operation(v: Vectors) -> str:
    said = v.json("operation/operation.json")
    for item in said["frozen"]:
        targets = [(of["unit"], index) for of in item["targets"] for index in of["indexes"]]
        same("frozen targets", protocol.frozen_digest((item["unit"], item["index"]), targets).hex(), item["digest"])
    logs = {unit: protocol.read_run(v.read(f"operation/{unit}.run")) for unit in OPERATION_UNITS}
    frontiers = [json.loads(key) for key in dict.fromkeys(json.dumps(item["sizes"]) for item in said["boards"])]
    computed = []
    for sizes in frontiers:
        same("whether logs are that long", all(sizes[unit] <= len(log) for unit, log in logs.items()), True)
        folded = {unit: log[: sizes[unit]] for unit, log in logs.items()}
        begun = [record for record, (arm, *_) in sorted(protocol.Fold(folded).said.items()) if arm == "operation"]
        for record in begun:
            board = protocol.Operation(folded, record).board()
            inert = [
                f"{step['id']['unit']}/{step['id']['index']} {protocol.FAULTS[step['fault']]}"
                for step in board["steps"]
                if step["fault"]
            ]
            data = protocol.encode("Board", board)
            item = {"sizes": sizes, "operation": f"{record[0]}/{record[1]}", "inert": inert}
            computed.append(item | {"board": data.hex(), "digest": sha256(data).hex()})
    same("boards", computed, said["boards"])
    return f"{len(said['frozen'])} digests of frozen targets, {len(computed)} boards"


def check_charter(v: Vectors) -> str:
    said = v.json("charter/charter.json")
    charter, units = protocol.read_charter(v.read(said["file"])), []
    for unit in charter.units.values():
        item = {"addresses": unit.addresses, "id": unit.id, "name": unit.name}
        item["ca_sha256"] = [sha256(der).hex() for der in unit.ca]
        units.append(item | {f"{role}_key": key.text for (role, *_), key in zip(protocol.ROLES, unit.keys)})
        der = protocol.read_certificate(v.read(f"charter/ca/{unit.id}.pem").decode())
        same(f"the CA of {unit.id}", [der.hex()], [mine.hex() for mine in unit.ca])
    m = len(units) - 1
    computed = {"digest": charter.digest.hex(), "m_f_q": [m, protocol.faulty(m), charter.quorum], "units": units}
    computed |= {"network": charter.network, "version": charter.version, "fold": charter.fold}
    for key, value in computed.items():
        same(f"{key} of the charter", value, said[key])
    for item in said["accepted"]:
        charter = protocol.read_charter(v.read(item["file"]))
        m = len(charter.units) - 1
        computed = {"digest": charter.digest.hex(), "network": charter.network, "fold": charter.fold}
        computed["m_f_q"] = [m, protocol.faulty(m), charter.quorum]
        computed["units"] = [{"addresses": unit.addresses, "id": unit.id} for unit in charter.units.values()]
        for key, value in computed.items():
            same(f"{key} of {item['file']}", value, item[key])
    v.same_files("charter/accepted", [item["file"] for item in said["accepted"]])
    for file in said["refused"]:
        refused(file, protocol.read_charter, v.read(file))
    v.same_files("charter/refused", said["refused"])
    forms = f"{len(said['accepted'])} in other forms; refused: {len(said['refused'])}"
    return f"{len(units)} units, all signed with three keys; {forms}"


def check_succession(v: Vectors) -> str:
    said, before = v.json("charter/succession.json"), []
    for item in said["versions"]:
        charter = protocol.read_charter(v.read(item["file"]), before)
        m = len(charter.units) - 1
        computed = {"digest": charter.digest.hex(), "units": sorted(charter.units)}
        computed["m_f_q"] = [m, protocol.faulty(m), charter.quorum]
        for key, value in computed.items():
            same(f"{key} of {item['file']}", value, item[key])
        before.append(charter)
    for item in said["refused"]:
        refused(item["file"], protocol.read_charter, v.read(item["file"]), before[: item["after"]])
    v.same_files("charter/succession/refused", [item["file"] for item in said["refused"]])
    return f"{len(before)} versions; refused: {len(said['refused'])}"


def check_checkpoints(v: Vectors) -> str:
    said, charter = v.json("checkpoints/checkpoints.json"), v.charter()
    for item in said["accepted"]:
        checkpoint = v.checkpoint(charter, item["file"], item["log"])
        cosigners = [{"time": time, "unit": unit} for unit, time in checkpoint.cosigners.items()]
        computed = {"certified": len(cosigners) >= charter.quorum, "cosigners": cosigners}
        computed |= {"root": checkpoint.root.hex(), "size": checkpoint.size}
        for key, value in computed.items():
            same(f"{key} of {item['file']}", value, item[key])
    for item in said["refused"]:
        refused(item["file"], v.checkpoint, charter, item["file"], item["log"])
    v.same_files("checkpoints/refused", [item["file"] for item in said["refused"]])
    return f"{len(said['accepted'])} accepted; refused: {len(said['refused'])}"


def check_witness(v: Vectors) -> str:
    said, logs = v.json("witness/witness.json"), protocol.read_logs(v.read("witness/logs").decode())
    private = Ed25519PrivateKey.from_private_bytes(sha256(b"witness FR"))
    witness = Key(f"{NETWORK}/FR/witness", 4, private.public_key().public_bytes_raw())
    same("the witness's key", witness.text, said["vkey"])
    for item in said["calls"]:
        known = item["known"] and protocol.Known(
            item["known"]["size"], bytes.fromhex(item["known"]["root"]), item["known"]["time"]
        )
        try:
            body, time = protocol.judge_call(logs, known, item["now"], v.read(item["file"]))
            status, answer = 200, protocol.cosignature_line(witness, body, time, private.sign)
        except protocol.Status as refusal:
            status, answer = refusal.status, None if refusal.known is None else f"{refusal.known}\n"
        same(f"the answer to {item['file']}", [status, answer], [item["status"], item["answer"]])
    v.same_files("witness/calls", [item["file"] for item in said["calls"]])
    be = v.charter().units["BE"].keys[1]
    for item in said["exported"]:
        key = protocol.parse_key(v.read(item["vkey"]).decode().removesuffix("\n"))
        size, root, time = protocol.read_witnessed(v.read(item["checkpoint"]), be, key)
        folder = f"witness/export/logs/BE/witnessed/{key.id.hex()}"
        computed = {"checkpoint": f"{folder}/checkpoint", "vkey": f"{folder}/vkey", "log": "BE"}
        computed |= {"root": root.hex(), "size": size, "time": time}
        same(f"what {item['checkpoint']} says", computed, item)
        same(f"the lines of {item['vkey']}", v.read(item["vkey"]).decode(), f"{key.text}\n")
        v.same_files(folder, [item["checkpoint"], item["vkey"]])
    for file in said["refused"]:
        refused(file, protocol.read_witnessed, v.read(file), be, witness)
    v.same_files("witness/refused", said["refused"])
    words = f"{len(said['exported'])} words exported; refused: {len(said['refused'])}"
    return f"{len(said['calls'])} calls and their answers, {words}"


def check_targets(v: Vectors) -> str:
    said = v.json("records/targets.json")
    for target in said["accepted"]:
        accept_target(target)
    for target in said["refused"]:
        refused(f"the target {target[:100]}", accept_target, target)
    return f"{len(said['accepted'])} canonical; refused: {len(said['refused'])}"


def check_payloads(v: Vectors) -> str:
    said = v.json("records/payloads.json")
    for item in said["sound"]:
        payload = bytes.fromhex(item["payload"])
        protocol.parse_statement(item["kind"], payload)
        written = protocol.encode("Record", protocol.decode("Record", payload))
        same("a payload written again", written.hex(), item["payload"])
    for item in said["set_aside"]:
        refused(f"a payload: {item['why']}", protocol.parse_statement, item["kind"], bytes.fromhex(item["payload"]))
    return f"{len(said['sound'])} sound, {len(said['set_aside'])} set aside"


def check_network(v: Vectors) -> str:
    said = v.json("network/network.json")
    charter = protocol.read_charter(v.read(said["charter"]))
    logs = {unit: protocol.read_run(v.read(f"network/{unit}.run")) for unit in charter.units}
    same("complete prefixes", {u: protocol.complete_prefixes(log) for u, log in logs.items()}, said["complete_up_to"])
    gaps = protocol.read_run(v.read(said["gaps"]["file"]))
    root = Tree([protocol.leaf_hash(entry.leaf) for entry in gaps]).root(0, len(gaps))
    same("the root of a log with gaps", root.hex(), said["gaps"]["root"])
    same("complete prefixes of a log with gaps", protocol.complete_prefixes(gaps), said["gaps"]["complete_up_to"])
    unsound = [
        f"{unit}/{i}"
        for unit, log in logs.items()
        for i, entry in enumerate(log)
        if entry.payload is not None and entry.statement is None
    ]
    same("what is set aside", unsound, said["set_aside"])
    same("the frontiers", [frontier["name"] for frontier in said["frontiers"]], ["early", "late"])
    for frontier in said["frontiers"]:
        computed = compute_frontier(v, charter, logs, frontier["name"])
        for key, value in computed.items():
            same(f"{key} of the {frontier['name']} frontier", value, frontier[key])
    rows = " and ".join(str(len(frontier["rows"])) for frontier in said["frontiers"])
    return f"{sum(map(len, logs.values()))} entries, {len(unsound)} set aside, {rows} rows"


def compute_frontier(v: Vectors, charter: Charter, logs: dict[str, list[Entry]], name: str) -> dict[str, Any]:
    """What network.json says of a frontier, from its certified checkpoints and the logs."""
    frontier, folded, described = {}, {}, []
    for unit, log in logs.items():
        file = f"network/{name}/{unit}.note"
        checkpoint = v.checkpoint(charter, file, unit)
        size, root = checkpoint.size, Tree([protocol.leaf_hash(entry.leaf) for entry in log]).root(0, checkpoint.size)
        same(f"whether {file} is certified", len(checkpoint.cosigners) >= charter.quorum, True)
        same(f"the root of {file}", root.hex(), checkpoint.root.hex())
        same(f"the complete prefix of {file}", protocol.complete_prefixes(log)[size], size)
        frontier[unit], folded[unit] = (size, root), log[:size]
        described.append({"checkpoint": file, "root": root.hex(), "size": size, "unit": unit})
    rows, hashes, words = [], {}, {number: word for word, number in protocol.STATUS.items()}
    for row in protocol.Fold(folded).rows():
        data, target = protocol.encode("Row", row), row["target"]
        hashes[target] = sha256(data)
        rows.append({"hash": sha256(data).hex(), "row": data.hex(), "status": words[row["status"]], "target": target})
    covered = protocol.frontier_bytes(charter.digest, frontier)
    list_digest = sha256(protocol.list_bytes(covered, hashes))
    digests = {"frontier_digest": sha256(covered).hex(), "list_digest": list_digest.hex()}
    return {**digests, "logs": described, "rows": rows}


WITNESSED = [
    "witness/export/logs/BE/witnessed/*/*",
    *(f"witness/calls/{name}.request" for name in ("the-first", "a-larger-tree", "all-that-tree-json-has")),
]
# By part: its check, and where every alteration must be noticed: in a JSON file under all keys but those below, and in
# other files. Notes with signatures of unknown keys, which are ignored, are not among them.
PARTS: dict[str, tuple[Callable[[Vectors], str], str | None, list[str]]] = {
    "leaves": (check_leaves, "leaves/leaves.json", ["leaves/*.run"]),
    "tree": (check_tree, "tree.json", []),
    "keys": (check_keys, "keys.json", []),
    "notes": (check_notes, "notes/notes.json", []),
    "quorum": (check_quorum, "quorum.json", []),
    "operation": (check_operation, "operation/operation.json", []),
    "charter": (check_charter, "charter/charter.json", ["charter/1.note", "charter/ca/*"]),
    "succession": (check_succession, "charter/succession.json", ["charter/succession/*.note"]),
    "checkpoints": (check_checkpoints, "checkpoints/checkpoints.json", ["checkpoints/[!o]*.note", "checkpoints/one*"]),
    "witness": (check_witness, "witness/witness.json", WITNESSED),
    "targets": (check_targets, None, []),
    "payloads": (check_payloads, None, []),
    "network": (check_network, "network/network.json", ["network/*.run", "network/*/*.note"]),
}
# What only has to be refused, the reason, after which version, how much is held before an outline, of which its bundles
# alone matter, and what a witness knows when it is asked, which matters to some calls alone.
NOT_COMPARED = {"refused_leaves", "refused_runs", "refused_public_keys", "refused_texts", "refused_signatures"}
NOT_COMPARED |= {"why", "held", "after", "now", "known"}


def flipped(value: bytes, most: int) -> Iterator[bytes]:
    """The bytes with one bit turned over, for up to `most` bits of them."""
    step = (8 * len(value) // most) | 1
    for at in islice(range(0, 8 * len(value), step), most):
        yield value[: at // 8] + bytes([value[at // 8] ^ 1 << at % 8]) + value[at // 8 + 1 :]


def alterations(value: Any, most: int) -> Iterator[Any]:
    """A value of a JSON file with one bit of it turned over."""
    if isinstance(value, bool) or value is None:
        yield not value
    elif isinstance(value, int):
        yield from (value ^ 1 << bit for bit in range(min(max(value.bit_length(), 1), most)))
    else:
        yield from (changed.decode("latin-1") for changed in flipped(value.encode(), most))


def places(holder: Any) -> Iterator[tuple[Any, Any]]:
    """Where the values of an object or list that are compared stand: what holds each, and its key or index there."""
    for key in list(holder) if isinstance(holder, dict) else range(len(holder)):
        if key in NOT_COMPARED:
            continue
        if isinstance(holder[key], (dict, list)):
            yield from places(holder[key])
        else:
            yield holder, key


def mutate(v: Vectors, part: str, most: int) -> tuple[int, int]:
    """Alters what is compared in a part; gives how many alterations it made and how many went unnoticed."""
    check, file, patterns = PARTS[part]
    made = unnoticed = 0

    def attempt(what: str) -> None:
        nonlocal made, unnoticed
        made += 1
        try:
            check(v)
        except Exception:  # Whatever stops the verifier has been noticed.
            return
        unnoticed += 1
        print(f"{part}: NOT NOTICED: {what}")

    tree = v.json(file) if file else {}
    v.altered = {file or "": tree}
    for holder, key in places(tree):
        original = holder[key]
        for holder[key] in alterations(original, most):
            attempt(f"{key} {original} as {holder[key]}")
        holder[key] = original
    for path in [path.relative_to(v.root).as_posix() for x in patterns for path in sorted(v.root.glob(x))]:
        v.altered = {}
        for changed in flipped(v.read(path), most):
            v.altered = {path: changed}
            attempt(f"a bit of {path}")
    v.altered = {}
    return made, unnoticed


def main() -> int:
    parser = argparse.ArgumentParser(description="Verifies golden vectors.")
    parser.add_argument("vectors", type=Path)
    parser.add_argument("--mutate", type=int, nargs="?", const=16, metavar="N", help="alter up to N bits of each value")
    arguments = parser.parse_args()
    v, failed = Vectors(arguments.vectors), False
    for part, (check, *_) in PARTS.items():
        try:
            print(f"{part}: {check(v)}", flush=True)
        except (Differs, Refused, LookupError, TypeError, ValueError, OSError) as error:
            print(f"{part}: DIFFERS: {error!r}")
            failed = True
            continue
        if arguments.mutate:
            made, unnoticed = mutate(v, part, arguments.mutate)
            print(f"{part}: {made} alterations, {unnoticed} not noticed", flush=True)
            failed = failed or unnoticed > 0
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
