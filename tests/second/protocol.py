"""The Entente protocol as its documentation fixes it: all that an auditor must compute, and nothing else.

Whatever breaks a rule raises `Refused`. Nothing here reads a file or a clock.
"""

import base64
import hashlib
import hmac
import ipaddress
import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

LOG_SIZE_END = 2**40
NOTE_BYTES_MAX = 65_536


class Refused(Exception):
    """Something breaks a rule of the protocol."""


def require(holds: object, why: str) -> None:
    if not holds:
        raise Refused(why)


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def decode_base64(text: str) -> bytes:
    """Reads base64 of RFC 4648 section 4 in its one form: with padding, unused bits zero, nothing beside it."""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise Refused("not base64") from error
    require(base64.b64encode(data).decode() == text, "base64 that is not in its one form")
    return data


# --- The Merkle tree: RFC 6962 section 2 -----------------------------------------------------------------------------

EMPTY_ROOT = sha256(b"")


def leaf_hash(leaf: bytes) -> bytes:
    return sha256(b"\x00" + leaf)


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right)


def split(count: int) -> int:
    """The largest power of two below `count`."""
    return 1 << (count - 1).bit_length() - 1


class Tree:
    """A tree over leaf hashes, held whole."""

    def __init__(self, leaf_hashes: list[bytes]) -> None:
        self.leaves = leaf_hashes
        self.known: dict[tuple[int, int], bytes] = {}

    def root(self, begin: int, end: int) -> bytes:
        """The root over the leaves `begin..end`."""
        require(0 <= begin <= end <= len(self.leaves), "leaves that the tree does not have")
        if end - begin < 2:
            return self.leaves[begin] if begin < end else EMPTY_ROOT
        if (begin, end) not in self.known:
            middle = begin + split(end - begin)
            self.known[begin, end] = node_hash(self.root(begin, middle), self.root(middle, end))
        return self.known[begin, end]


def inclusion_root(leaf: bytes, index: int, size: int, proof: list[bytes]) -> bytes:
    """The root of the tree of `size` leaves to which a proof leads from the hash of a leaf."""
    require(0 <= index < size, "a leaf beyond the tree")
    if size == 1:
        require(not proof, "too many hashes")
        return leaf
    require(proof, "too few hashes")
    middle = split(size)
    if index < middle:
        return node_hash(inclusion_root(leaf, index, middle, proof[:-1]), proof[-1])
    return node_hash(proof[-1], inclusion_root(leaf, index - middle, size - middle, proof[:-1]))


def consistency_roots(old: int, new: int, root: bytes | None, proof: list[bytes]) -> tuple[bytes, bytes]:
    """The roots of the trees of `old` and `new` leaves to which a proof leads, for 0 < old; `root` is that of the
    older tree, and absent where the subtree at hand does not begin with the first leaf."""
    require(0 < old <= new, "a tree that shrinks")
    if old == new:
        require(len(proof) == (root is None), "too few or too many hashes")
        own = root or proof[0]
        return own, own
    require(proof, "too few hashes")
    middle = split(new)
    if old <= middle:
        older, newer = consistency_roots(old, middle, root, proof[:-1])
        return older, node_hash(newer, proof[-1])
    older, newer = consistency_roots(old - middle, new - middle, None, proof[:-1])
    return node_hash(proof[-1], older), node_hash(proof[-1], newer)


def subtrees(begin: int, end: int) -> Iterator[tuple[int, int]]:
    """Level and index of the fewest full subtrees that cover exactly the leaves `begin..end`, left to right."""
    while begin < end:
        level = (end - begin).bit_length() - 1
        if begin:
            level = min(level, (begin & -begin).bit_length() - 1)
        yield level, begin >> level
        begin += 1 << level


def joined_root(parts: list[tuple[int, bytes]]) -> bytes:
    """The root of the tree that these subtrees cover from its first leaf on, given left to right by level and hash."""
    stack: list[tuple[int, bytes]] = []
    for level, value in parts:
        while stack and stack[-1][0] == level:
            level, value = level + 1, node_hash(stack.pop()[1], value)
        stack.append((level, value))
    root = stack.pop()[1] if stack else EMPTY_ROOT
    while stack:
        root = node_hash(stack.pop()[1], root)
    return root


# --- Names and addresses ---------------------------------------------------------------------------------------------

LABEL = "[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
is_unit_id = re.compile(r"(?=.{2,16}\Z)[A-Z0-9]+(-[A-Z0-9]+)*").fullmatch
is_network = re.compile(rf"(?=.{{1,64}}\Z){LABEL}(\.{LABEL})*").fullmatch
OCTET = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
is_ipv4 = re.compile(rf"({OCTET}\.){{3}}{OCTET}").fullmatch


def is_key_name(text: str) -> bool:
    """Python's white space is Unicode's together with U+001C to U+001F, which are control characters anyway."""
    return 1 <= len(text.encode()) <= 255 and not re.search(r"[\s+\x00-\x1f\x7f-\x9f]", text)


def is_ipv6(text: str, dotted: bool) -> bool:
    """Whether an IPv6 address is as RFC 5952 writes it; `dotted` for its section 5, with IPv4 inside mapped ones."""
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        return False
    mapped = address.ipv4_mapped
    if mapped:
        return text == (f"::ffff:{mapped}" if dotted else f"::ffff:{int(mapped) >> 16:x}:{int(mapped) & 0xFFFF:x}")
    return text == address.compressed and "%" not in text


def is_port(text: str) -> bool:
    return re.fullmatch("[1-9][0-9]{0,4}", text) is not None and int(text) < 65536


def is_address(text: str) -> bool:
    """Whether this is `host:port` in its one form."""
    host, _, port = text.rpartition(":")
    if not is_port(port) or len(text) > 259:
        return False
    if host.startswith("[") and host.endswith("]"):
        return is_ipv6(host[1:-1], dotted=True)
    labels = host.split(".")
    named = all(len(label) <= 63 and re.fullmatch(LABEL, label) for label in labels) and not labels[-1].isdigit()
    return named or is_ipv4(host) is not None


# --- Keys and signed notes -------------------------------------------------------------------------------------------

PRIME = 2**255 - 19
CURVE_D = -121665 * pow(121666, -1, PRIME) % PRIME
ROLES = (("charter", 1, "/charter"), ("log", 1, ""), ("mirror", 4, "/mirror"))
"""The keys of a unit: what each is called, its signature type, and what its name ends in."""


@lru_cache
def check_public_key(public: bytes) -> None:
    """Refuses what is not the one encoding of a point of the curve, and the points of small order."""
    require(len(public) == 32, "a public key of another length")
    y = int.from_bytes(public, "little") & (2**255 - 1)
    require(y < PRIME, "not the one encoding of a point")
    for step in range(4):  # Three doublings need x only squared: y(2P) = (y^2 + x^2) / (1 - d x^2 y^2).
        square = (y * y - 1) * pow(CURVE_D * y * y + 1, -1, PRIME) % PRIME
        require(step or pow(square, (PRIME - 1) // 2, PRIME) in (0, 1), "not a point of the curve")
        require(y != 1, "a key of small order")
        y = (y * y + square) * pow(1 - CURVE_D * square * y * y, -1, PRIME) % PRIME


@dataclass(frozen=True)
class Key:
    """A public key with its name."""

    name: str
    type: int
    public: bytes

    @cached_property
    def id(self) -> bytes:
        return sha256(self.name.encode() + b"\n" + bytes([self.type]) + self.public)[:4]

    @property
    def text(self) -> str:
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(bytes([self.type]) + self.public).decode()}"


def parse_key(text: str) -> Key:
    """Reads `<name>+<key id>+<base64(type || public key)>`."""
    name, _, rest = text.partition("+")
    key_id, _, encoded = rest.partition("+")
    data = decode_base64(encoded)
    require(is_key_name(name), "not a key name")
    require(len(data) == 33 and data[0] in (1, 4), "a key of another type or length")
    check_public_key(data[1:])
    key = Key(name, data[0], data[1:])
    require(key_id == key.id.hex(), "another key id")
    return key


@dataclass(frozen=True)
class Note:
    """A text, and by name and key id the signatures under it, none of them verified."""

    text: str
    signatures: dict[tuple[str, bytes], bytes]


def parse_note(data: bytes, bytes_max: int) -> Note:
    """Reads a signed note in its one form."""
    require(len(data) <= bytes_max, "a note that is too large")
    text, lines = parse_lines(data)
    signatures = dict(lines)
    require(len(signatures) == len(lines), "a key that signs twice")
    return Note(text, signatures)


def parse_lines(data: bytes) -> tuple[str, list[tuple[tuple[str, bytes], bytes]]]:
    """The text of a note, and in their order the lines under it, of which one key may have several."""
    try:
        note = data.decode()
    except UnicodeDecodeError as error:
        raise Refused("not UTF-8") from error
    require(not re.search(r"[\x00-\x09\x0b-\x1f]", note), "a control character")
    text, blank, block = note.rpartition("\n\n")
    require(blank and block.endswith("\n"), "no blank line, or a last line that is not ended")
    lines = block[:-1].split("\n")
    require(len(lines) <= 512, "too many signatures")
    read = []
    for line in lines:
        parts = line.split(" ")
        require(len(parts) == 3 and parts[0] == "\u2014" and is_key_name(parts[1]), "not a signature line")
        signature = decode_base64(parts[2])
        require(len(signature) >= 5, "a signature that is too short")
        read.append(((parts[1], signature[:4]), signature[4:]))
    return text + "\n", read


def verify_signature(note: Note, key: Key) -> int | None:
    """Verifies the key's signature on a note. Gives the time of a cosignature, 0 for another signature, and None
    where the key did not sign."""
    signature = note.signatures.get((key.name, key.id))
    if signature is None:
        return None
    message, time = note.text.encode(), 0
    if key.type == 4:
        time, signature = int.from_bytes(signature[:8]), signature[8:]
        message = f"cosignature/v1\ntime {time}\n".encode() + message
    require(len(signature) == 64, f"a signature of another length by {key.name}")
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(signature, message)
    except InvalidSignature as error:
        raise Refused(f"a wrong signature by {key.name}") from error
    return time


# --- Quorum and checkpoints ------------------------------------------------------------------------------------------


def faulty(m: int) -> int:
    """How many units may be dishonest where a log has `m` others."""
    return max(m - 1, 0) // 3


def quorum(m: int) -> int:
    """How many of `m` other units certify a checkpoint."""
    return (m + faulty(m)) // 2 + 1 if m else 0


def answers_to_start(m: int, q: int) -> int:
    return m - q + 1 + faulty(m) if m else 0


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint whose signatures are verified; `cosigners` gives the time of each unit's cosignature."""

    size: int
    root: bytes
    cosigners: dict[str, int]


def read_checkpoint(data: bytes, log_key: Key, mirrors: dict[str, Key]) -> Checkpoint:
    """Reads a checkpoint of the log with this key, cosigned under these mirror keys of the other units."""
    note = parse_note(data, NOTE_BYTES_MAX)
    lines = note.text.split("\n")
    require(len(lines) == 4, "not three lines")
    origin, size, root, _ = lines
    require(origin == log_key.name, "another log")
    require(re.fullmatch("0|[1-9][0-9]{0,12}", size) and int(size) < LOG_SIZE_END, "not a size")
    root_hash = decode_base64(root)
    require(len(root_hash) == 32, "not a root")
    require(size != "0" or root_hash == EMPTY_ROOT, "an empty log with a root")
    require(verify_signature(note, log_key) is not None, "not signed by the author")
    times = {unit: verify_signature(note, key) for unit, key in sorted(mirrors.items())}
    return Checkpoint(int(size), root_hash, {unit: time for unit, time in times.items() if time is not None})


# --- Witnesses from outside: C2SP tlog-witness -----------------------------------------------------------------------

REQUEST_BYTES_MAX = NOTE_BYTES_MAX + 63 * 45 + 109


@dataclass(frozen=True)
class Known:
    """What a witness signed last of a log."""

    size: int
    root: bytes
    time: int


class Status(Refused):
    """A call that is answered with this status, and perhaps with the size that is known."""

    def __init__(self, status: int, known: int | None = None) -> None:
        super().__init__(f"status {status}")
        self.status, self.known = status, known


def read_size(text: str) -> int:
    require(re.fullmatch("0|[1-9][0-9]{0,12}", text) and int(text) < LOG_SIZE_END, "not a size")
    return int(text)


def read_hash(text: str) -> bytes:
    value = decode_base64(text)
    require(len(value) == 32, "not a hash")
    return value


def read_logs(text: str) -> dict[str, list[Key]]:
    """The logs that a witness knows, a key a line: the origin is the key's name, or follows it after a space."""
    logs: dict[str, list[Key]] = {}
    for line in map(str.strip, text.splitlines()):
        if line and not line.startswith("#"):
            key_text, _, origin = line.partition(" ")
            key = parse_key(key_text)
            logs.setdefault(origin.strip() or key.name, []).append(key)
    return logs


def judge_call(logs: dict[str, list[Key]], known: Known | None, now: int, call: bytes) -> tuple[str, int]:
    """What a witness that knows this of the log signs, and as of when; otherwise the status with which it answers."""
    try:
        require(len(call) <= REQUEST_BYTES_MAX, "a call that is too large")
        head, blank, data = call.partition(b"\n\n")
        require(blank, "no empty line")
        first, *hashes = head.decode().split("\n")
        require(first.startswith("old "), "no old size")
        old, proof = read_size(first[4:]), [read_hash(line) for line in hashes]
        require(len(proof) <= 63, "too many hashes")
        body, lines = parse_lines(data)
        parts = body[:-1].split("\n")
        require(len(parts) >= 3 and all(parts), "not three lines, or an empty one")
        origin, size, root = parts[0], read_size(parts[1]), read_hash(parts[2])
    except (Refused, UnicodeDecodeError) as error:
        raise Status(400) from error
    if origin not in logs:
        raise Status(404)
    by_keys = [(key, signature) for key in logs[origin] for name_id, signature in lines if name_id == (key.name, key.id)]
    try:
        for key, signature in by_keys:
            verify_signature(Note(body, {(key.name, key.id): signature}), key)
    except Refused as error:
        raise Status(403) from error
    if not by_keys:
        raise Status(403)
    if old > size:
        raise Status(400)
    known = known or Known(0, EMPTY_ROOT, 0)
    if old != known.size or (size == old and root != known.root):
        raise Status(409, known.size)
    try:
        roots = consistency_roots(old, size, known.root, proof) if old else (EMPTY_ROOT, root)
        require(old or not proof, "a proof from nothing")
        require(roots == (known.root, root), "another tree")
    except (Refused, IndexError) as error:
        raise Status(422) from error
    if known.time > now + 300:
        raise Status(503)
    again = size == known.size and now < known.time + 60
    return body, known.time if again else max(now, known.time)


def cosignature_line(key: Key, body: str, time: int, sign: Callable[[bytes], bytes]) -> str:
    """A cosignature as the line of a note."""
    signature = sign(f"cosignature/v1\ntime {time}\n".encode() + body.encode())
    encoded = base64.b64encode(key.id + time.to_bytes(8) + signature).decode()
    return f"\u2014 {key.name} {encoded}\n"


def read_witnessed(data: bytes, log_key: Key, witness: Key) -> tuple[int, bytes, int]:
    """Size, root and time of a checkpoint with a witness's word: the author's line and the witness's, no other."""
    checkpoint = read_checkpoint(data, log_key, {"": witness})
    signers = list(parse_note(data, NOTE_BYTES_MAX).signatures)
    require(signers == [(key.name, key.id) for key in (log_key, witness)], "other lines, or in another order")
    return checkpoint.size, checkpoint.root, checkpoint.cosigners[""]


# --- The charter -----------------------------------------------------------------------------------------------------

EXCLUDED = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
FULL_LINE, LAST_LINE = "[A-Za-z0-9+/]{64}\n", "[A-Za-z0-9+/=]{4,64}\n"
PEM = re.compile(f"-----BEGIN CERTIFICATE-----\n((?:{FULL_LINE})*{LAST_LINE})-----END CERTIFICATE-----\n?")
TOP_KEYS = {"network": str, "version": int, "previous": str, "fold": int, "unit": list}
TOP_KEYS_FREE = {"continues": str, "quorum": int, "revoked": list}
UNIT_KEYS = dict.fromkeys(["id", "name", "charter_key", "log_key", "mirror_key"], str) | {"ca": list, "addresses": list}


@dataclass(frozen=True)
class Unit:
    """What a charter says of a unit; its keys stand in the order of `ROLES`."""

    id: str
    name: str
    keys: list[Key]
    ca: list[bytes]
    addresses: list[str]
    base: str


@dataclass(frozen=True)
class Charter:
    """A charter that counts."""

    network: str
    version: int
    fold: int
    quorum: int
    units: dict[str, Unit]
    digest: bytes

    def mirrors(self, log_of: str) -> dict[str, Key]:
        """The mirror keys that may cosign this unit's log."""
        return {unit.id: unit.keys[2] for unit in self.units.values() if unit.id != log_of}


def check_table(table: dict[str, Any], needed: dict[str, type], free: dict[str, type]) -> None:
    """Refuses a key that is missing or unknown, and a value of another type."""
    require(needed.keys() <= table.keys(), "a missing key")
    for key, value in table.items():
        require(type(value) is (needed | free).get(key), f"an unknown key or a value of another type: {key}")


def check_list(values: list[Any], kind: type, least: int, most: int, what: str) -> None:
    """Refuses values of another type, too few, too many, and the same twice."""
    require(all(type(value) is kind for value in values), f"a value of another type among the {what}")
    require(least <= len(values) <= most, f"a wrong number of {what}")
    require(len(set(values)) == len(values), f"the same twice among the {what}")


def read_certificate(pem: str) -> bytes:
    """The DER of a certificate in the strict form of RFC 7468."""
    match = PEM.fullmatch(pem)
    if not match:
        raise Refused("a CA that is not one PEM block in its one form")
    der = decode_base64(match[1].replace("\n", ""))
    require(2 <= len(der) <= 4096 and der[0] == 0x30, "a CA that is not one DER sequence")
    length, head = der[1], 2
    if length >= 0x80:
        head += length - 0x80
        length = int.from_bytes(der[2:head])
        require(length >= 0x80 and der[2] != 0, "a DER length that is longer than needed")
    require(len(der) == head + length, "a CA that is not exactly one DER sequence")
    return der


def read_unit(table: dict[str, Any], network: str) -> Unit:
    """Checks a `[[unit]]` table of a charter."""
    check_table(table, UNIT_KEYS, {"base": str})
    unit, name, addresses = table["id"], table["name"], table["addresses"]
    require(is_unit_id(unit), "not a unit id")
    require(1 <= len(name.encode()) <= 256 and name == name.strip(), "not a name")
    require(not EXCLUDED.search(name) and "\n" not in name, "an excluded character in a name")
    keys = []
    for role, key_type, suffix in ROLES:
        key = parse_key(table[f"{role}_key"])
        require(key.name == f"{network}/{unit}{suffix}" and key.type == key_type, "a key with another name or type")
        keys.append(key)
    check_list(table["ca"], str, 1, 4, "certificates")
    ca = [read_certificate(pem) for pem in table["ca"]]
    check_list(addresses, str, 0, 8, "addresses")
    require(all(map(is_address, addresses)), "not an address")
    base = table.get("base", "")
    if base:
        match = re.fullmatch("(0|[1-9][0-9]{0,12}) ([0-9a-f]{64})", base)
        require(match and int(match[1]) < 2**40, "not a base")
        require(match[1] != "0" or match[2] == sha256(b"").hex(), "a base of no entries with another root")
    return Unit(unit, name, keys, ca, addresses, base)


def check_succession(before: "list[Charter]", fold: int, units: list[Unit]) -> None:
    """Refuses what the text of a later version may not say beside those before it."""
    last = before[-1]
    require(fold >= last.fold, "a fold that goes back")
    everyone = [(version, unit) for version in before for unit in version.units.values()]
    kept = {key.text for unit in last.units.values() for key in unit.keys}
    stood = [key for _, unit in everyone for key in unit.keys]
    for unit in units:
        old = last.units.get(unit.id)
        require(old or all(unit.id not in version.units for version in before), "a unit that comes back")
        new_log_key = old is not None and old.keys[1].text != unit.keys[1].text
        require(not unit.base or new_log_key, "a base without a new log key")
        for key in unit.keys:
            if key.text not in kept:
                require(all(key.public != used.public for used in stood), "a public key that stood before")
                require(all((key.name, key.id) != (used.name, used.id) for used in stood), "a key id that stood before")
        others = [der for _, other in everyone if other.id != unit.id for der in other.ca]
        require(not set(unit.ca) & set(others), "a CA that was another unit's")


def read_charter(data: bytes, before: "list[Charter] | None" = None) -> Charter:
    """Reads the version that follows those before, or the first, and verifies that all signed it who must."""
    before = before or []
    note = parse_note(data, 1_048_576)
    require(not EXCLUDED.search(data.decode()), "an excluded character")
    require(not re.search(r"[{}]|\\[ex]", note.text), "what versions of TOML do not agree about")
    try:
        table = tomllib.loads(note.text)
    except tomllib.TOMLDecodeError as error:
        raise Refused(f"not TOML: {error}") from error
    check_table(table, TOP_KEYS, TOP_KEYS_FREE)
    network, fold, revoked = table["network"], table["fold"], table.get("revoked", [])
    require(is_network(network), "not a network name")
    require(table["version"] == len(before) + 1, "not the next version")
    require(table["previous"] == (before[-1].digest.hex() if before else ""), "another version before")
    continues = table.get("continues", "")
    require(not continues or (not before and re.fullmatch("[0-9a-f]{64}", continues)), "not a charter to continue")
    require(not before or network == before[-1].network, "another network")
    require(1 <= fold < 2**32, "a fold out of range")
    check_list(revoked, str, 0, 4096, "revoked keys")
    require(all(re.fullmatch("[0-9a-f]{64}", value) for value in revoked), "a revoked key that is no digest")

    require(all(type(unit) is dict for unit in table["unit"]), "a unit that is no table")
    units = sorted((read_unit(unit, network) for unit in table["unit"]), key=lambda unit: unit.id)
    keys = [key for unit in units for key in unit.keys]
    check_list([unit.id for unit in units], str, 1, 100, "units")
    check_list([key.public for key in keys], bytes, 3, 300, "public keys")
    check_list([der for unit in units for der in unit.ca], bytes, 1, 400, "certificates of all units")
    others = len(units) - 1
    needed = table.get("quorum", quorum(others))
    require(quorum(others) <= needed <= others, "a quorum out of range")
    if before:
        check_succession(before, fold, units)
        kept = {key.text for unit in before[-1].units.values() for key in unit.keys}
        votes = [verify_signature(note, unit.keys[0]) for unit in before[-1].units.values()]
        given = sum(vote is not None for vote in votes)
        require(3 * given > 2 * len(votes), f"{given} of {len(votes)} units have signed")
    else:
        kept = set()
        require(all(bool(unit.base) == bool(continues) for unit in units), "a first version with a base, or without")
    for key in keys:
        signed = verify_signature(note, key) is not None
        require(signed or key.text in kept, f"no signature by {key.name}")
    return Charter(network, len(before) + 1, fold, needed, {unit.id: unit for unit in units}, sha256(note.text.encode()))


# --- Targets ---------------------------------------------------------------------------------------------------------

is_name = re.compile(r"(?=.{1,253}\Z)([a-z0-9_-]{1,63}\.)+(?!([0-9]+|0x[0-9a-f]*)\Z)[a-z0-9_-]{1,63}").fullmatch
URL = re.compile(r"(https?)://(\[[^]/]*\]|[^:/]*)(?::([^/]*))?(/[^\"#<>?\\^`{}]*)(?:\?([^\"#'<>]*))?")
PLATFORM = re.compile("[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?")


def is_url(text: str) -> bool:
    match = URL.fullmatch(text)
    if not match:
        return False
    scheme, host, port, path, query = match.groups()
    good_host = is_ipv6(host[1:-1], dotted=False) if host.startswith("[") else is_ipv4(host) or is_name(host)
    good_port = port is None or (is_port(port) and port != {"http": "80", "https": "443"}[scheme])
    dots = any(segment.replace("%2E", ".") in (".", "..") for segment in path.split("/"))
    lower = re.search("%(?![0-9A-F]{2})[0-9A-Fa-f]{2}", f"{path}?{query}")
    return bool(good_host and good_port and not dots and not lower)


def is_ip(text: str) -> bool:
    address, slash, length = text.partition("/")
    if not is_ipv4(address) and not is_ipv6(address, dotted=False):
        return False
    if not slash:
        return True
    value, bits = int(ipaddress.ip_address(address)), 128 if ":" in address else 32
    good = re.fullmatch("[1-9][0-9]{0,2}", length) is not None and int(length) < bits
    return good and value % (1 << bits - int(length)) == 0


def is_handle(text: str) -> bool:
    """Whether this is a platform, a slash and a handle."""
    platform, _, handle = text.partition("/")
    escapes = re.findall("%(.{0,2})", handle)
    good = all(re.fullmatch("[0-9A-F]{2}", x) and (x == "25" or not 0x21 <= int(x, 16) <= 0x7E) for x in escapes)
    return bool(PLATFORM.fullmatch(platform)) and good and 1 <= len(handle) <= 1024 and not handle.startswith("@")


TARGET_TYPES: dict[str, Callable[[str], Any]] = {
    "domain": is_name,
    "url": is_url,
    "ip": is_ip,
    **dict.fromkeys(["account", "channel", "app"], is_handle),
    "file": re.compile("sha256:[0-9a-f]{64}").fullmatch,
    "image": re.compile("pdq:[0-9a-f]{64}").fullmatch,
}


def is_target(text: str) -> bool:
    """Whether this is a target in canonical form."""
    kind, _, value = text.partition(":")
    return bool(re.fullmatch("[!-~]{1,8192}", text) and kind in TARGET_TYPES and TARGET_TYPES[kind](value))


# --- Protobuf: the schema with its limits, and the canonical encoding ------------------------------------------------

Message = dict[str, Any]
Check = Callable[[Any], Any]
BAD_TEXT = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def text(most: int, form: str = "(?s:.*)") -> tuple[str, Check]:
    return "string", lambda v: len(v.encode()) <= most and not BAD_TEXT.search(v) and re.fullmatch(form, v)


def number(least: int, most: int, wire: str = "uint64") -> tuple[str, Check]:
    return wire, lambda v: least <= v <= most


def octets(least: int, most: int) -> tuple[str, Check]:
    return "bytes", lambda v: least <= len(v) <= most


def ascending(values: list[Any]) -> bool:
    return all(a < b for a, b in zip(values, values[1:]))


def distinct_units(logs: list[Message]) -> bool:
    return ascending([log["unit"] for log in logs])


# The kinds of values with limits of their own: a type of the schema, starred where repeated, and what must hold.
KINDS: dict[str, tuple[str, Check]] = {
    **{f"text{most}": text(most) for most in (256, 1024, 4096, 16_384)},
    **{f"0-{most}": number(0, most, "uint32") for most in (3, 4, 5, 100)},
    **{f"1-{most}": number(1, most, "uint32") for most in (2, 3, 4, 6, 65_536, 2**32 - 1)},
    "language": text(35, "[A-Za-z0-9-]*"),
    "media_type": text(127, "[ -~]*"),
    "index": number(0, LOG_SIZE_END - 1),
    "time": number(0, 253_402_300_800_000 - 1),
    "positive": number(1, 2**64 - 1),
    "hash": octets(32, 32),
    "submission": octets(16, 16),
    "note": octets(1, 65_536),
    "charter": octets(0, 65_000),
    "unit": ("string", is_unit_id),
    "target": ("string", is_target),
    "target?": ("string", lambda v: v == "" or is_target(v)),
    "units": ("string*", lambda v: len(v) <= 100 and ascending(v) and all(map(is_unit_id, v))),
    "hashes": ("bytes*", lambda v: len(v) <= 80 and all(len(value) == 32 for value in v)),
    "categories": ("uint32*", lambda v: v and ascending(v) and 1 <= v[0] and v[-1] <= 5),
    "codes": ("uint32*", lambda v: ascending(v) and all(code <= 3 for code in v)),
    "items": ("EvidenceItem*", lambda v: len(v) <= 64),
    "lines": ("string*", lambda v: len(v) <= 128 and all(text(512)[1](line) for line in v)),
    "indexes": ("uint64*", lambda v: v and ascending(v) and v[-1] < LOG_SIZE_END),
    "referrals": ("Referrals*", distinct_units),
    "frontier": ("FrontierLog*", distinct_units),
    "RecordRef!": ("RecordRef", lambda v: v is not None),
    "EvidenceItem!": ("EvidenceItem", lambda v: v is not None),
}
# The fields of each message by their numbers from 1 on, each with a kind of value or a type without limits of its own.
FIELDS = {
    "EntryHeader": "kind:1-4294967295 time_ms:uint64 payload_size:1-65536 commitment:hash",
    "Record": "submission:submission refer:Refer withdraw:Withdraw hold:Hold opinion:Opinion dispatch:Dispatch "
    "outcome:Outcome observe:Observe link:Link evidence:Evidence custody:Custody operation:Operation "
    "operation_step:OperationStep erase:Erase adopt:Adopt propose:Propose approve:Approve revoke:Revoke "
    "fork_proof:ForkProof access_head:AccessHead",
    "RecordRef": "unit:unit index:index",
    "EvidenceItem": "sha256:hash media_type:media_type size:uint64 captured_at_ms:time tool:text256",
    "Handling": "tlp:0-5 europol:codes",
    "Refer": "target:target categories:categories basis:0-3 provider:text256 source:0-4 accuracy:0-4 "
    "language:language description:text16384 evidence:items handling:Handling review_by_ms:time campaign:text256 "
    "prefix:bool override_reason:text1024",
    "Withdraw": "index:index reason:text1024",
    "Hold": "target:target until_ms:time contact:text256 reason:text1024",
    "Opinion": "on:RecordRef! stance:1-2 ground:0-5 text:text4096",
    "Dispatch": "on:RecordRef! provider:text256 channel:text256 at_ms:time override_reason:text1024",
    "Outcome": "on:RecordRef! answer:1-6 at_ms:time reason:text4096",
    "Observe": "target:target availability:1-3 successor:target? observed_ms:time",
    "Link": "first:target second:target relation:1-3",
    "Evidence": "item:EvidenceItem! description:text4096 target:target? operation:RecordRef",
    "Custody": "item:RecordRef! step:1-2 other:unit at_ms:time sha256:hash text:text1024",
    "Referrals": "unit:unit indexes:indexes",
    "Operation": "title:text256 invited:units targets:referrals go_ms:time ready_quorum:0-100",
    "OperationStep": "operation:RecordRef! invite:OperationInvite join:OperationJoin decline:OperationDecline "
    "add:OperationTargets remove:OperationTargets freeze:OperationFreeze ready:OperationReady go:OperationGo "
    "abort:OperationAbort executed:OperationExecuted close:OperationClose assign:OperationAssign",
    "OperationInvite": "units:units",
    "OperationJoin": "text:text1024",
    "OperationDecline": "reason:text1024",
    "OperationTargets": "targets:referrals",
    "OperationFreeze": "targets:referrals digest:hash frontier:frontier",
    "OperationReady": "digest:hash",
    "FrontierLog": "unit:unit size:index root:hash",
    "OperationGo": "digest:hash at_ms:time charter:hash frontier:frontier overrides:RecordRef* excluded:referrals",
    "OperationAbort": "reason:text1024",
    "OperationExecuted": "target:RecordRef! at_ms:time result:1-3 text:text1024",
    "OperationClose": "text:text4096 frontier:frontier",
    "OperationAssign": "unit:unit targets:referrals",
    "Board": "id:RecordRef time_ms:uint64 title:string go_ms:uint64 ready_quorum:uint32 phase:uint32 units:BoardUnit* "
    "freeze:BoardFreeze go:BoardGo targets:BoardTarget* steps:BoardStep* evidence:RecordRef*",
    "BoardUnit": "unit:string part:uint32 part_by:RecordRef ready:RecordRef",
    "BoardFreeze": "id:RecordRef time_ms:uint64 digest:bytes",
    "BoardGo": "id:RecordRef time_ms:uint64 at_ms:uint64 ready:string* waits:BoardWait*",
    "BoardWait": "unit:string size:uint64",
    "BoardTarget": "referral:RecordRef target:string assigned:uint32* covered:bool against:BoardAgainst* "
    "executed:BoardExecuted*",
    "BoardAgainst": "kind:uint32 id:RecordRef stands:bool in_go:bool overridden:bool",
    "BoardExecuted": "unit:uint32 index:uint64 at_ms:uint64 result:uint32",
    "BoardStep": "id:RecordRef time_ms:uint64 step:uint32 fault:uint32 text:string units:string* targets:uint64",
    "Erase": "index:index reason:1-4",
    "Adopt": "version:positive digest:hash",
    "Propose": "text:charter digest:hash",
    "Approve": "digest:hash signatures:lines",
    "Revoke": "spki_sha256:hash reason:text1024",
    "ForkProof": "unit:unit smaller:note larger:note consistency:hashes",
    "AccessHead": "epoch:uint64 size:index root:hash",
    "Row": "target:target status:1-4 availability:Observation referrals:Referral* holds:HoldRow* opinions:OpinionRow* "
    "dispatches:DispatchRow* outcomes:OutcomeRow* links:LinkRow*",
    "Referral": "id:RecordRef time_ms:uint64 refer:Refer",
    "HoldRow": "id:RecordRef time_ms:uint64 hold:Hold",
    "OpinionRow": "id:RecordRef time_ms:uint64 opinion:Opinion",
    "DispatchRow": "id:RecordRef time_ms:uint64 dispatch:Dispatch",
    "OutcomeRow": "id:RecordRef time_ms:uint64 outcome:Outcome",
    "Observation": "id:RecordRef time_ms:uint64 observe:Observe",
    "LinkRow": "id:RecordRef time_ms:uint64 link:Link",
}
SCHEMA: dict[str, list[tuple[str, str, Check]]] = {
    name: [(field, *KINDS.get(kind, (kind, lambda v: True))) for field, kind in (x.split(":") for x in fields.split())]
    for name, fields in FIELDS.items()
}
# What several fields of a message must hold together.
TOGETHER: dict[str, Check] = {
    "Record": lambda m: sum(value is not None for value in m.values()) == 2,
    "OperationStep": lambda m: sum(value is not None for value in m.values()) == 2,
    "Refer": lambda m: not m["prefix"] or m["target"].startswith("url:"),
    "Opinion": lambda m: (m["stance"] == 2) == (m["ground"] != 0),
    "Observe": lambda m: (m["availability"] == 3) == (m["successor"] != ""),
    "Link": lambda m: m["first"] != m["second"],
    "Propose": lambda m: not m["text"] or sha256(m["text"]) == m["digest"],
}
DEFAULTS: dict[str, Any] = {"uint32": 0, "uint64": 0, "bool": False, "string": "", "bytes": b""}
VARINT_ENDS = {"uint32": 2**32, "uint64": 2**64, "bool": 2}


def encode_varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def decode_varint(data: bytes, at: int) -> tuple[int, int]:
    """Reads a varint that is as short as possible; gives it and where it ends."""
    end = next((i + 1 for i in range(at, min(at + 10, len(data))) if data[i] < 0x80), None)
    require(end, "a varint that does not end")
    value = sum((byte & 0x7F) << 7 * i for i, byte in enumerate(data[at:end]))
    require(encode_varint(value) == data[at:end], "a varint that is longer than needed")
    return value, end


def decode_item(kind: str, value: Any) -> Any:
    """Turns a varint or the bytes of a field into a value of its type."""
    if kind in VARINT_ENDS:
        require(value < VARINT_ENDS[kind], "a number out of range")
        return bool(value) if kind == "bool" else value
    if kind == "string":
        try:
            return value.decode()
        except UnicodeDecodeError as error:
            raise Refused("a text that is not UTF-8") from error
    return value if kind == "bytes" else decode(kind, value)


def decode(name: str, data: bytes) -> Message:
    """Reads a message that is canonical and keeps every limit; fields that are absent have their default value."""
    schema = SCHEMA[name]
    message: Message = {field: [] if kind.endswith("*") else DEFAULTS.get(kind) for field, kind, _ in schema}
    at = last = 0
    while at < len(data):
        tag, at = decode_varint(data, at)
        require(1 <= tag >> 3 <= len(schema), "an unknown field")
        field, kind, _ = schema[(tag >> 3) - 1]
        repeated, kind = kind.endswith("*"), kind.rstrip("*")
        packed = repeated and kind in VARINT_ENDS
        require(tag >> 3 > last or (tag >> 3 == last and repeated and not packed), "fields that do not ascend")
        require(tag & 7 == (0 if kind in VARINT_ENDS and not packed else 2), "another wire type")
        last = tag >> 3
        value, at = decode_varint(data, at)
        if tag & 7 == 2:
            require(at + value <= len(data), "cut short")
            value, at = data[at : at + value], at + value
        require(repeated and not packed or kind not in DEFAULTS or value, "a default written out")
        if not repeated:
            message[field] = decode_item(kind, value)
        elif not packed:
            message[field].append(decode_item(kind, value))
        else:
            inner = 0
            while inner < len(value):
                item, inner = decode_varint(value, inner)
                message[field].append(decode_item(kind, item))
    for field, _, check in schema:
        require(check(message[field]), f"{name}.{field} breaks its limit")
    require(name not in TOGETHER or TOGETHER[name](message), f"the fields of {name} do not fit together")
    return message


def encode(name: str, message: Message) -> bytes:
    """The canonical bytes of a message."""
    out = bytearray()
    for tag, (field, kind, _) in enumerate(SCHEMA[name], 1):
        value, repeated, kind = message.get(field), kind.endswith("*"), kind.rstrip("*")
        if not value and type(value) is not dict:
            continue
        if kind in VARINT_ENDS and not repeated:
            out += encode_varint(tag << 3) + encode_varint(value)
            continue
        if kind in VARINT_ENDS:
            value, kind = b"".join(map(encode_varint, value)), "bytes"
        for item in value if type(value) is list else [value]:
            body = item.encode() if kind == "string" else item if kind == "bytes" else encode(kind, item)
            out += encode_varint(tag << 3 | 2) + encode_varint(len(body)) + body
    return bytes(out)


# --- Entries and statements ------------------------------------------------------------------------------------------

ARMS = {kind: field for kind, (field, _, _) in enumerate(SCHEMA["Record"], 1) if kind > 1}
CAN_END = (2, 4, 5, 6, 7, 8, 9, 10)
WITHDRAW, ERASE = 3, 14


@dataclass(frozen=True)
class Entry:
    """An entry whose leaf is canonical and whose body, if it is there, is what the leaf commits to."""

    leaf: bytes
    header: Message
    opening: bytes | None
    payload: bytes | None

    @cached_property
    def statement(self) -> Message | None:
        """What the entry says; None where its payload is missing or set aside."""
        try:
            return None if self.payload is None else parse_statement(self.header["kind"], self.payload)
        except Refused:
            return None


def parse_leaf(leaf: bytes) -> Message:
    require(1 <= len(leaf) <= 64, "a leaf of another length")
    return decode("EntryHeader", leaf)


def read_run(data: bytes) -> list[Entry]:
    """Reads entries that follow each other without a count."""
    entries, at = [], 0

    def take(count: int) -> bytes:
        nonlocal at
        require(at + count <= len(data), "a run that ends within an entry")
        at += count
        return data[at - count : at]

    while at < len(data):
        leaf = take(int.from_bytes(take(2)))
        header = parse_leaf(leaf)
        length = int.from_bytes(take(4))
        if length == 0:
            entries.append(Entry(leaf, header, None, None))
            continue
        require(length == 16 + header["payload_size"], "a body of another length than the header says")
        opening, payload = take(16), take(length - 16)
        commitment = hmac.digest(opening, payload, "sha256")
        require(commitment == header["commitment"], "a body that the leaf does not commit to")
        entries.append(Entry(leaf, header, opening, payload))
    return entries


def parse_statement(kind: int, payload: bytes) -> Message:
    """Reads the payload of an entry whose header says this kind. What is refused here is set aside."""
    require(kind in ARMS, "a kind that is not known")
    require(1 <= len(payload) <= 65_536, "a payload of another length")
    record = decode("Record", payload)
    require(record[ARMS[kind]] is not None, "another kind than the header says")
    return record[ARMS[kind]]


# --- The list --------------------------------------------------------------------------------------------------------

RecordId = tuple[str, int]
STATUS = {"held": 1, "disputed": 2, "listed": 3, "cleared": 4}
ROW_LISTS = {"refer": "referrals", "hold": "holds", "opinion": "opinions", "dispatch": "dispatches"}
ROW_LISTS |= {"outcome": "outcomes", "link": "links"}
ROW_ARMS = (*ROW_LISTS, "observe")


def endings(entries: list[Entry]) -> tuple[dict[int, int], dict[int, int]]:
    """Which records of a log are withdrawn and which erased: by index, the index of the record that does it."""
    withdrawn: dict[int, int] = {}
    erased: dict[int, int] = {}
    for at, entry in enumerate(entries):
        kind, statement = entry.header["kind"], entry.statement
        if kind not in (WITHDRAW, ERASE) or statement is None:
            continue
        i = statement["index"]
        if i < at and entries[i].header["kind"] in CAN_END and i not in erased:
            (erased if kind == ERASE else withdrawn).setdefault(i, at)
    return withdrawn, erased


def complete_prefixes(entries: list[Entry]) -> list[int]:
    """For each size of a log, the largest size up to it at which the log is complete."""
    _, erased = endings(entries)
    missing = [i for i, entry in enumerate(entries) if entry.payload is None]
    prefixes: list[int] = []
    for size in range(len(entries) + 1):
        complete = all(erased.get(i, size) < size for i in missing if i < size)
        prefixes.append(size if complete else prefixes[-1])
    return prefixes


def subject(message: Message) -> RecordId:
    """The record that an opinion, a dispatch or an outcome is on."""
    return message["on"]["unit"], message["on"]["index"]


class Fold:
    """The fold of a complete prefix of each unit's log."""

    def __init__(self, logs: dict[str, list[Entry]]) -> None:
        """Keeps what is sound and not erased, by id in ascending order: its arm, its message, its header's time."""
        self.said: dict[RecordId, tuple[str, Message, int]] = {}
        self.withdrawn: set[RecordId] = set()
        for unit, entries in sorted(logs.items()):
            withdrawn, erased = endings(entries)
            self.withdrawn |= {(unit, i) for i in withdrawn}
            for i, entry in enumerate(entries):
                if entry.statement is not None and i not in erased:
                    self.said[unit, i] = ARMS[entry.header["kind"]], entry.statement, entry.header["time_ms"]

    def is_arm(self, record: RecordId, arm: str) -> bool:
        """Whether a record is sound, not erased and of this arm."""
        return record in self.said and self.said[record][0] == arm

    def counts(self, record: RecordId) -> bool:
        """Whether a record that is sound and not erased has a place in a row."""
        arm, message, time_ms = self.said[record]
        if record in self.withdrawn or arm not in ROW_ARMS:
            return False
        if arm == "observe":
            return message["observed_ms"] <= time_ms
        if arm not in ("opinion", "dispatch", "outcome"):
            return True
        on = subject(message)
        if arm == "opinion":
            return on[0] != record[0] and self.is_arm(on, "refer") and on not in self.withdrawn
        if on[0] == record[0] and on[1] >= record[1]:
            return False
        return self.is_arm(on, "refer") if arm == "dispatch" else self.is_arm(on, "dispatch") and self.counts(on)

    def targets(self, record: RecordId) -> list[str]:
        """The targets in whose rows a record that counts has its place."""
        arm, message, _ = self.said[record]
        if arm in ("opinion", "dispatch", "outcome"):
            return self.targets(subject(message))
        return [message["first"], message["second"]] if arm == "link" else [message["target"]]

    def rows(self) -> list[Message]:
        """The rows, ascending by the target's bytes."""
        named = {message["target"] for arm, message, _ in self.said.values() if arm in ("refer", "hold")}
        return [self.row(target) for target in sorted(named)]

    def row(self, target: str) -> Message:
        """The row of a target that has one."""
        parts: dict[str, list[Message]] = {arm: [] for arm in ROW_ARMS}
        for record, (arm, message, time_ms) in self.said.items():
            if self.counts(record) and target in self.targets(record):
                what = {field: value for field, value in message.items() if field != "target"}
                parts[arm].append({"id": {"unit": record[0], "index": record[1]}, "time_ms": time_ms, arm: what})
        disputed = any(part["opinion"]["stance"] == 2 for part in parts["opinion"])
        status = "held" if parts["hold"] else "disputed" if disputed else "listed" if parts["refer"] else "cleared"
        # Parts ascend by unit and index, so of several observations made at one time the last is the greatest.
        newest = max(reversed(parts["observe"]), key=lambda part: part["observe"]["observed_ms"], default=None)
        row = {"target": target, "status": STATUS[status], "availability": newest}
        return row | {ROW_LISTS[arm]: parts[arm] for arm in ROW_LISTS}


def frontier_bytes(charter: bytes, logs: dict[str, tuple[int, bytes]]) -> bytes:
    """What the frontier digest covers: size and root of each unit's log under a charter's digest."""
    out = b"entente list v1\n" + (1).to_bytes(4) + charter + len(logs).to_bytes(4)
    for unit, (size, root) in sorted(logs.items()):
        out += len(unit).to_bytes(2) + unit.encode() + size.to_bytes(8) + root
    return out


def list_bytes(frontier: bytes, row_hashes: dict[str, bytes]) -> bytes:
    """What the list digest covers: the frontier's bytes, then the hash of each row by its target."""
    out = frontier + len(row_hashes).to_bytes(8)
    for target, row_hash in sorted(row_hashes.items()):
        out += len(target).to_bytes(4) + target.encode() + row_hash
    return out


def frozen_digest(operation: RecordId, targets: list[RecordId]) -> bytes:
    """The digest of the targets of an operation, as they are fixed: ascending by unit, then index."""
    require(targets and ascending(targets), "targets that do not ascend")
    out = b"entente operation 1\n"
    for at, (unit, index) in enumerate([operation, *targets]):
        out += len(unit).to_bytes(2) + unit.encode() + index.to_bytes(8)
        out += len(targets).to_bytes(8) if at == 0 else b""
    return sha256(out)


# --- Operations ------------------------------------------------------------------------------------------------------

STEPS = {arm: number for number, (arm, _, _) in enumerate(SCHEMA["OperationStep"], 1) if number > 1}
STEPS_MAX, REPORTS_SHOWN_MAX = 4096, 100
PHASES = {"open": 1, "frozen": 2, "gone": 3, "aborted": 4, "closed": 5}
PARTS = {"leads": 1, "invited": 2, "joined": 3, "declined": 4}
AGAINST = {"hold": 1, "objection": 2, "withdrawn": 3, "erased": 4, "no-referral": 5, "named": 6}
FAULTS = ("counts not-lead not-invited not-joined frozen not-frozen other-digest no-quorum gone not-gone aborted closed "
          "not-covered nothing not-own waits ahead leads").split()


def reference(record: RecordId) -> Message:
    return {"unit": record[0], "index": record[1]}


def named(message: Message | None) -> RecordId | None:
    return (message["unit"], message["index"]) if message else None


def names(lists: list[Message]) -> list[RecordId]:
    return [(of["unit"], index) for of in lists for index in of["indexes"]]


@dataclass
class Member:
    """What an invited unit's steps make of its part."""

    part: str = "invited"
    part_by: RecordId | None = None
    ready: RecordId | None = None
    added: set[RecordId] = field(default_factory=set)
    parts: list[tuple[int, bool]] = field(default_factory=list)

    def takes_part_at(self, index: int) -> bool:
        return next((joined for at, joined in reversed(self.parts) if at < index), False)


@dataclass(frozen=True)
class Go:
    """A go that counts, or that waits."""

    record: RecordId
    time_ms: int
    message: Message
    cut: dict[str, int]
    waits: list[Message]
    ready: list[str]


class Operation:
    """An operation as the complete prefixes of all logs have it."""

    def __init__(self, logs: dict[str, list[Entry]], record: RecordId) -> None:
        self.logs, self.record, self.lead = logs, record, record[0]
        self.said, self.ends = Fold(logs).said, {unit: endings(entries) for unit, entries in logs.items()}
        _, self.message, self.time_ms = self.said[record]
        self.invited = set(self.message["invited"]) - {self.lead}
        self.added, self.removed = set(names(self.message["targets"])), set()
        self.assigned: dict[str, list[RecordId]] = {}
        self.lead_ready: RecordId | None = None
        self.freeze: tuple[RecordId, int, Message] | None = None
        self.go: Go | None = None
        self.aborted = False
        self.closed: tuple[int, dict[str, int]] | None = None
        self.steps: dict[str, list[tuple[RecordId, int, str, Message]]] = {unit: [] for unit in logs}
        self.reports: list[tuple[RecordId, Message]] = []
        for at, (arm, message, time_ms) in sorted(self.said.items()):
            if arm != "operation_step" or named(message["operation"]) != record:
                continue
            step = next(arm for arm in STEPS if message[arm] is not None)
            if step == "executed":
                self.reports.append((at, message[step]))
            elif len(self.steps[at[0]]) < STEPS_MAX:
                self.steps[at[0]].append((at, time_ms, step, message[step]))
        self.shown = [self.show(step, self.lead_step(*step)) for step in self.steps[self.lead]]
        self.members: dict[str, Member] = {}
        for unit in sorted(logs.keys() - {self.lead}):
            if unit in self.invited:
                self.members[unit], faults = self.judge(unit, LOG_SIZE_END)
            else:
                faults = ["not-invited"] * len(self.steps[unit])
            self.shown += map(self.show, self.steps[unit], faults)

    def show(self, step: tuple[RecordId, int, str, Message], fault: str) -> tuple[RecordId, Message]:
        record, time_ms, arm, said = step
        units = said["units"] if arm == "invite" else [said["unit"]] if arm == "assign" else []
        targets = len(names(said["targets"])) if arm in ("add", "remove", "freeze", "assign") else 0
        text = said.get("text") or said.get("reason") or ""
        shown = {"id": reference(record), "time_ms": time_ms, "step": STEPS[arm], "fault": FAULTS.index(fault)}
        return record, shown | {"text": text, "units": units, "targets": targets}

    def cut(self, record: RecordId, frontier: list[Message]) -> dict[str, int]:
        return {log["unit"]: log["size"] for log in frontier} | {record[0]: record[1]}

    def is_ahead(self, record: RecordId, frontier: list[Message]) -> bool:
        return any(log["unit"] == record[0] and log["size"] > record[1] for log in frontier)

    def missing(self, record: RecordId, frontier: list[Message]) -> list[Message]:
        folded = {unit: len(entries) for unit, entries in self.logs.items()} | {record[0]: LOG_SIZE_END}
        far = [log for log in frontier if folded.get(log["unit"], 0) < log["size"]]
        return [{"unit": log["unit"], "size": log["size"]} for log in far]

    def has_gone(self) -> bool:
        return self.go is not None and not self.go.waits

    def digest_fault(self, message: Message) -> str:
        if self.freeze is None:
            return "not-frozen"
        return "counts" if message["digest"] == self.freeze[2]["digest"] else "other-digest"

    def lead_step(self, record: RecordId, time_ms: int, arm: str, said: Message) -> str:
        """Takes a step of the lead; says whether it counts, or why not."""
        frontier = said.get("frontier") or []
        digest = self.digest_fault(said) if arm in ("ready", "go") else "counts"
        refused = {
            "invite": [("gone", self.has_gone()), ("nothing", not said.get("units"))],
            "join": [("leads", True)],
            "decline": [("leads", True)],
            "add": [("frozen", self.freeze), ("nothing", not said.get("targets"))],
            "assign": [("not-invited", said.get("unit") not in self.invited | {self.lead})],
            "freeze": [
                ("frozen", self.freeze),
                ("nothing", not said.get("targets")),
                ("other-digest", arm == "freeze" and said["targets"] and self.digest_of(said) != said["digest"]),
                ("ahead", self.is_ahead(record, frontier)),
            ],
            "ready": [(digest, digest != "counts")],
            "go": [
                (digest, digest != "counts"),
                ("gone", self.has_gone()),
                ("waits", self.go),
                ("ahead", self.is_ahead(record, frontier)),
            ],
            "close": [("ahead", self.is_ahead(record, frontier))],
        }
        refused["remove"] = refused["add"]
        first = [("ahead", record < self.record), ("closed", self.closed), ("aborted", self.aborted and arm != "close")]
        for fault, holds in first + refused.get(arm, []):
            if holds:
                return fault
        listed = set(names(said["targets"])) if arm in ("add", "remove") else set()
        if arm == "invite":
            self.invited |= set(said["units"]) - {self.lead}
        elif arm == "add":
            self.added, self.removed = self.added | listed, self.removed - listed
        elif arm == "remove":
            self.added, self.removed = self.added - listed, self.removed | listed
        elif arm == "assign":
            self.assigned[said["unit"]] = names(said["targets"])
        elif arm == "freeze":
            self.freeze = record, time_ms, said
        elif arm == "ready":
            self.lead_ready = record
        elif arm == "abort":
            self.aborted = True
        elif arm == "close":
            self.closed = record[1], self.cut(record, frontier)
        elif arm == "go":
            cut, waits, ready = self.cut(record, frontier), self.missing(record, frontier), []
            if not waits:
                ready = [unit for unit in self.invited if unit in self.logs]
                ready = [unit for unit in ready if self.judge(unit, cut.get(unit, 0))[0].ready]
                ready += [self.lead] if self.lead_ready else []
                if len(ready) < self.message["ready_quorum"]:
                    return "no-quorum"
            self.go = Go(record, time_ms, said, cut, waits, sorted(ready))
            return "waits" if waits else "counts"
        return "counts"

    def digest_of(self, freeze: Message) -> bytes:
        return frozen_digest(self.record, names(freeze["targets"]))

    def judge(self, unit: str, end: int) -> tuple[Member, list[str]]:
        """Judges the steps of an invited unit below an index."""
        member, faults = Member(), []
        for record, _, arm, said in self.steps[unit]:
            if record[1] < end:
                faults.append(self.member_step(member, record, arm, said))
        return member, faults

    def member_step(self, member: Member, record: RecordId, arm: str, said: Message) -> str:
        if self.closed and record[1] >= self.closed[1].get(record[0], 0):
            return "closed"
        if arm in ("join", "decline"):
            member.part, member.part_by = {"join": "joined", "decline": "declined"}[arm], record
            member.parts.append((record[1], arm == "join"))
            member.ready = member.ready if arm == "join" else None
            return "counts"
        if arm not in ("add", "remove", "ready"):
            return "not-lead"
        if member.part != "joined":
            return "not-joined"
        if arm == "ready":
            fault = self.digest_fault(said)
            member.ready = record if fault == "counts" else member.ready
            return fault
        if self.freeze and record[1] >= self.cut(self.freeze[0], self.freeze[2]["frontier"]).get(record[0], 0):
            return "frozen"
        listed = set(names(said["targets"]))
        if not listed:
            return "nothing"
        if arm == "add":
            member.added |= listed
        elif not member.added & listed:
            return "not-own"
        else:
            member.added -= listed
        return "counts"

    def end(self, record: RecordId) -> int | None:
        """The index of what took a record back first."""
        return min((by[record[1]] for by in self.ends[record[0]] if record[1] in by), default=None)

    def weigh(self, kind: str, record: RecordId, on: RecordId | None, go: Go | None) -> list[Message]:
        """A hold, or an objection on a referral, where it is shown."""
        both = [record, on] if on else [record]
        stands, in_go, later = all(self.end(one) is None for one in both), False, False
        if go:
            size = go.cut.get
            in_go = all(one[1] < size(one[0], 0) <= (self.end(one) or LOG_SIZE_END) for one in both)
            later = record[1] >= size(record[0], 0)
        if not (stands or in_go or later):
            return []
        return [{"kind": AGAINST[kind], "id": reference(record), "stands": stands, "in_go": in_go}]

    def against(self, name: RecordId, go: Go | None) -> tuple[str, list[Message]]:
        """What a referral refers, and what speaks against acting on it."""
        unit, index = name
        entries, target, found = self.logs.get(unit, []), "", []
        erased = unit in self.ends and index in self.ends[unit][1]
        is_referral = index < len(entries) and ARMS.get(entries[index].header["kind"]) == "refer"
        none = {"kind": AGAINST["no-referral"], "in_go": go is not None}
        if not is_referral or not (erased or name in self.said):
            found.append(none | {"stands": True})
        else:
            by, was_there = self.end(name), go is None or index < go.cut.get(unit, 0)
            if by is not None:
                kind, in_go = "withdrawn" if index in self.ends[unit][0] else "erased", go and by < go.cut.get(unit, 0)
                ended = {"kind": AGAINST[kind], "id": reference((unit, by)), "stands": True, "in_go": bool(in_go)}
                found.append(ended)
            if not was_there:
                found.append(none | {"stands": False})
            if not erased:
                target = self.said[name][1]["target"]
        for record, (arm, said, _) in self.said.items() if target else ():
            if arm == "hold" and said["target"] == target:
                found += self.weigh("hold", record, None, go)
            if arm == "opinion" and said["stance"] == 2:
                on = subject(said)
                if on[0] != record[0] and self.said.get(on, ("",))[0] == "refer" and self.said[on][1]["target"] == target:
                    found += self.weigh("objection", record, on, go)
        found.sort(key=lambda one: (one["kind"], named(one.get("id")) or ("", 0)))
        if go and name in names(go.message["excluded"]):
            by_name = {"kind": AGAINST["named"], "id": reference(go.record), "stands": True, "in_go": True}
            found.append(by_name)
        over = {named(one) for one in go.message["overrides"]} if go else set()
        for one in found:
            one["overridden"] = one["kind"] == 2 and one["in_go"] and named(one["id"]) in over
        return target, found

    def report_fault(self, record: RecordId, units: list[str], target: Message | None) -> str:
        unit, index = record
        leads = unit == self.lead
        if unit not in units:
            return "not-invited"
        if self.closed and (index > self.closed[0] if leads else index >= self.closed[1].get(unit, 0)):
            return "closed"
        if not leads and not self.members[unit].takes_part_at(index):
            return "not-joined"
        if self.go is None:
            return "not-gone"
        if self.go.waits:
            return "waits"
        if leads and record < self.go.record:
            return "not-gone"
        return "counts" if target and target["covered"] else "not-covered"

    def board(self) -> Message:
        go = self.go if self.has_gone() else None
        units = sorted(self.invited | {self.lead})
        if self.freeze:
            listed = names(self.freeze[2]["targets"])
        else:
            joined = [member.added for member in self.members.values() if member.part == "joined"]
            listed = sorted(self.added.union(*joined) - self.removed)
        targets: dict[RecordId, Message] = {}
        for name in listed:
            target, against = self.against(name, go)
            covered = go is not None and all(not one["in_go"] or one["overridden"] for one in against)
            assigned = [units.index(unit) for unit in sorted(self.assigned) if name in self.assigned[unit]]
            told = {"referral": reference(name), "target": target, "assigned": assigned, "covered": covered}
            targets[name] = told | {"against": against, "executed": {}}
        inert = dict.fromkeys(self.logs, 0)
        for record, said in self.reports:
            on = named(said["target"])
            fault = self.report_fault(record, units, targets.get(on))
            at = {"index": record[1], "at_ms": said["at_ms"], "result": said["result"]}
            if fault == "counts":
                targets[on]["executed"][record[0]] = {"unit": units.index(record[0])} | at
            elif (inert := inert | {record[0]: inert[record[0]] + 1})[record[0]] <= REPORTS_SHOWN_MAX:
                step = {"id": reference(record), "time_ms": said["at_ms"], "step": STEPS["executed"], "targets": 1}
                self.shown.append((record, step | {"fault": FAULTS.index(fault)}))
        phase = "closed" if self.closed else "aborted" if self.aborted else "gone" if go else "frozen"
        evidence = [
            reference(record)
            for record, (arm, said, _) in sorted(self.said.items())
            if arm == "evidence" and named(said["operation"]) == self.record and self.end(record) is None
        ]
        board = {"id": reference(self.record), "time_ms": self.time_ms, "units": [self.unit(unit) for unit in units]}
        board |= {key: self.message[key] for key in ("title", "go_ms", "ready_quorum")}
        board |= {"phase": PHASES[phase if self.freeze or phase != "frozen" else "open"], "evidence": evidence}
        board["targets"] = [told | {"executed": list(told["executed"].values())} for told in targets.values()]
        board["steps"] = [step for _, step in sorted(self.shown, key=lambda one: one[0])]
        if self.freeze:
            record, time_ms, said = self.freeze
            board["freeze"] = {"id": reference(record), "time_ms": time_ms, "digest": said["digest"]}
        if self.go:
            told = {"id": reference(self.go.record), "time_ms": self.go.time_ms, "at_ms": self.go.message["at_ms"]}
            board["go"] = told | {"ready": self.go.ready, "waits": self.go.waits}
        return board

    def unit(self, unit: str) -> Message:
        if unit == self.lead:
            ready = self.lead_ready and reference(self.lead_ready)
            return {"unit": unit, "part": PARTS["leads"], "ready": ready}
        member = self.members.get(unit, Member())
        told = {"unit": unit, "part": PARTS[member.part]}
        by = {"part_by": member.part_by, "ready": member.ready}
        return told | {key: reference(record) for key, record in by.items() if record}
