"""Entente's protocol a second time, following `cargo doc -p entente-proto` and the .proto files.

Whatever breaks a rule raises Refused. Nothing here shares code with the first implementation; sections are named after the
modules of the documentation that they follow.
"""

import base64
import hashlib
import hmac
import re
import tomllib
import unicodedata
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


class Refused(Exception):
    """A rule of the protocol is broken."""


def need(holds, why):
    if not holds:
        raise Refused(why)


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


SIZE_END = 1 << 40
UNIT = re.compile(r"(?=.{2,16}\Z)(?!XN--)[A-Z0-9]+(-[A-Z0-9]+)*", re.A)
NETWORK = re.compile(r"(?=.{1,64}\Z)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*", re.A)
HEX64 = re.compile(r"[0-9a-f]{64}")


def decimal(text, least, most):
    need(re.fullmatch(r"0|[1-9][0-9]{0,18}", text, re.A), "not a decimal number in its one form")
    need(least <= int(text) <= most, "a number out of range")
    return int(text)


# ---- tree ----

EMPTY_ROOT = sha256(b"")


def leaf_hash(leaf):
    return sha256(b"\0", leaf)


def node_hash(left, right):
    return sha256(b"\1", left, right)


def root(hashes):
    if not hashes:
        return EMPTY_ROOT
    if len(hashes) == 1:
        return hashes[0]
    k = 1 << (len(hashes) - 1).bit_length() - 1
    return node_hash(root(hashes[:k]), root(hashes[k:]))


def subtrees(begin, end):
    """The (level, index) of the subtrees of a compact range."""
    while begin < end:
        level = (end - begin).bit_length() - 1
        if begin:
            level = min(level, (begin & -begin).bit_length() - 1)
        yield level, begin >> level
        begin += 1 << level


def verify_inclusion(leaf, index, size, proof, expected):
    """RFC 9162 section 2.1.3.2."""
    need(index < size, "no such leaf")
    fn, sn, r = index, size - 1, leaf
    for p in proof:
        need(sn != 0, "the proof is too long")
        if fn & 1 or fn == sn:
            r = node_hash(p, r)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = node_hash(r, p)
        fn, sn = fn >> 1, sn >> 1
    need(sn == 0, "the proof is too short")
    need(r == expected, "the proof leads to another root")


def verify_consistency(old, old_root, new, new_root, proof):
    """RFC 9162 section 2.1.4.2; the proof is empty from size 0 and between equal sizes."""
    need(old <= new, "the old tree is larger")
    if old == 0 or old == new:
        need(not proof, "the proof is not empty")
        need(old_root == (new_root if old else EMPTY_ROOT), "another old root")
        return
    need(proof, "the proof is empty")
    if old & (old - 1) == 0:
        proof = [old_root] + proof
    fn, sn = old - 1, new - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = proof[0]
    for c in proof[1:]:
        need(sn != 0, "the proof is too long")
        if fn & 1 or fn == sn:
            fr, sr = node_hash(c, fr), node_hash(c, sr)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node_hash(sr, c)
        fn, sn = fn >> 1, sn >> 1
    need(sn == 0, "the proof is too short")
    need(fr == old_root and sr == new_root, "the proof leads to another root")


# ---- note: keys ----

P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P


def point(encoded):
    """The point of the curve that 32 bytes encode, RFC 8032 section 5.1.3."""
    number = int.from_bytes(encoded, "little")
    y, sign = number & (1 << 255) - 1, number >> 255
    need(y < P, "not the one encoding of a point")
    x2 = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(x2, (P + 3) // 8, P)
    if x * x % P != x2:
        x = x * pow(2, (P - 1) // 4, P) % P
    need(x * x % P == x2, "not a point of the curve")
    need(x or not sign, "not the one encoding of a point")
    return (P - x if x & 1 != sign else x), y


def check_public_key(public):
    x, y = point(public)
    for _ in range(3):
        t = D * x * x * y * y % P
        x, y = 2 * x * y * pow(1 + t, -1, P) % P, (y * y + x * x) * pow(1 - t, -1, P) % P
    need((x, y) != (0, 1), "a key of small order")


def from_base64(text):
    try:
        raw = base64.b64decode(text.encode("ascii"), validate=True)
    except ValueError as error:
        raise Refused("not base64") from error
    need(base64.b64encode(raw).decode() == text, "not base64 in its one form")
    return raw


def check_key_name(name):
    need(1 <= len(name.encode()) <= 255, "a key name of impossible length")
    bad = any(c == "+" or c.isspace() or unicodedata.category(c) == "Cc" for c in name)
    need(not bad, "a character that no key name has")


class Key:
    """A public key with its name."""

    def __init__(self, text):
        parts = text.split("+", 2)
        need(len(parts) == 3, "not a key")
        self.text, (self.name, id_hex, encoded) = text, parts
        check_key_name(self.name)
        raw = from_base64(encoded)
        need(len(raw) == 33 and raw[0] in (1, 4), "not a key of a known type")
        self.type, self.public = raw[0], raw[1:]
        self.id = sha256(self.name.encode(), b"\n", raw)[:4]
        need(id_hex == self.id.hex(), "the key id does not belong to the key")
        check_public_key(self.public)

    def verify(self, text, signature):
        """A signature as it stands on a note; gives back the time of a cosignature."""
        time, signed = None, text
        if self.type == 4:
            need(len(signature) == 72, "a cosignature has 72 bytes")
            time, signature = int.from_bytes(signature[:8], "big"), signature[8:]
            signed = f"cosignature/v1\ntime {time}\n{text}"
        need(len(signature) == 64, "a signature has 64 bytes")
        try:
            # OpenSSL verifies without the cofactor, and refuses S beyond the order.
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, signed.encode())
        except InvalidSignature as error:
            raise Refused(f"the signature of {self.name} does not verify") from error
        return time


# ---- note ----


def parse_note(raw, most=64 << 10):
    """Text, and signatures by (key name, key id)."""
    need(len(raw) <= most, "a note beyond its limit")
    try:
        whole = raw.decode()
    except UnicodeDecodeError as error:
        raise Refused("not UTF-8") from error
    need(not any(c < " " and c != "\n" for c in whole), "a control character")
    at = whole.rfind("\n\n")
    need(at >= 0, "no blank line")
    text, block = whole[: at + 1], whole[at + 2 :]
    need(block.endswith("\n"), "no signatures, or the last is not ended")
    lines = block[:-1].split("\n")
    need(len(lines) <= 512, "too many signatures")
    signatures = {}
    for line in lines:
        parts = line.split(" ")
        need(len(parts) == 3 and parts[0] == "\u2014", "not a signature line")
        check_key_name(parts[1])
        signed = from_base64(parts[2])
        need(len(signed) >= 5, "a signature that is too short")
        name = parts[1], signed[:4]
        need(name not in signatures, "a key signed twice")
        signatures[name] = signed[4:]
    return text, signatures


# ---- checkpoint, cosignature, quorum ----


def read_checkpoint(raw, log_key, mirrors):
    """Size, root, and the times of the cosigners by unit."""
    text, signatures = parse_note(raw)
    lines = text.split("\n")
    need(len(lines) == 4 and lines[3] == "", "a checkpoint has three lines")
    need(lines[0] == log_key.name, "a checkpoint of another log")
    size, found = decimal(lines[1], 0, SIZE_END - 1), from_base64(lines[2])
    need(len(found) == 32, "a root has 32 bytes")
    need(size or found == EMPTY_ROOT, "an empty log with another root")
    need((log_key.name, log_key.id) in signatures, "the author has not signed")
    log_key.verify(text, signatures[log_key.name, log_key.id])
    cosigners = {}
    for unit, key in mirrors.items():
        if (key.name, key.id) in signatures:
            cosigners[unit] = key.verify(text, signatures[key.name, key.id])
    return size, found, cosigners


def quorum(m):
    """f, q, and how many answers a node needs before it starts."""
    if m == 0:
        return 0, 0, 0
    f = (m - 1) // 3
    q = (m + f) // 2 + 1
    return f, q, m - q + 1 + f


# ---- charter ----

UNSEEN = re.compile(
    "[\0-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]"
)
TOP_KEYS = {"network", "version", "previous", "continues", "fold", "quorum", "revoked", "unit"}
UNIT_KEYS = {"id", "name", "charter_key", "log_key", "mirror_key", "ca", "addresses", "base"}


class Charter:
    """A first version, verified: everybody in it has signed it."""

    def __init__(self, raw):
        need(len(raw) <= 1 << 20, "a charter beyond a mebibyte")
        text, signatures = parse_note(raw, 1 << 20)
        whole = raw.decode()
        need(not UNSEEN.search(whole.replace("\n", "")), "a character that nobody sees")
        need(not re.search(r"[{}]|\\[ex]", text), "what versions of TOML read differently")
        try:
            said = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise Refused("not TOML") from error
        need(set(said) <= TOP_KEYS, "an unknown key")
        self.digest = sha256(text.encode())
        self.network = string(said, "network")
        need(NETWORK.fullmatch(self.network), "not a network name")
        self.version, self.fold = whole_number(said, "version"), whole_number(said, "fold")
        need(self.version == 1, "a later version counts only under the one before it")
        need(string(said, "previous") == "" and string(said, "continues", "") == "", "a first version follows none")
        revoked = strings(said, "revoked", [])
        need(len(revoked) <= 4096 and len(set(revoked)) == len(revoked), "revoked keys too many or twice")
        need(all(HEX64.fullmatch(text) for text in revoked), "a revoked key is 64 hexadecimal digits")
        tables = said.get("unit")
        need(isinstance(tables, list) and 1 <= len(tables) <= 100, "1 to 100 units")
        self.units = {}
        for table in tables:
            need(isinstance(table, dict), "a unit is a table")
            unit = Unit(table, self.network)
            need(unit.id not in self.units, "a unit twice")
            self.units[unit.id] = unit
        m = len(self.units) - 1
        f, q, _ = quorum(m)
        if "quorum" in said:
            set_to = whole_number(said, "quorum", 0)
            need(q <= set_to <= m, "a quorum out of its range")
            q = set_to
        self.m_f_q = [m, f, q]
        keys = [key for unit in self.units.values() for key in unit.keys()]
        need(len({key.public for key in keys}) == len(keys), "a public key twice")
        roots = [der for unit in self.units.values() for der in unit.ca]
        need(len(set(roots)) == len(roots), "a CA certificate twice")
        for key in keys:
            need((key.name, key.id) in signatures, f"{key.name} has not signed")
            key.verify(text, signatures[key.name, key.id])

    def mirrors(self, log_of):
        return {unit.id: unit.mirror_key for unit in self.units.values() if unit.id != log_of}

    def read_checkpoint(self, log_of, raw):
        """As read_checkpoint, and whether it is certified."""
        size, found, cosigners = read_checkpoint(raw, self.units[log_of].log_key, self.mirrors(log_of))
        return size, found, cosigners, len(cosigners) >= self.m_f_q[2]


class Unit:
    """A [[unit]] table."""

    def __init__(self, said, network):
        need(set(said) <= UNIT_KEYS, "an unknown key of a unit")
        self.id, self.name = string(said, "id"), string(said, "name")
        need(UNIT.fullmatch(self.id), "not a unit id")
        need(1 <= len(self.name.encode()) <= 256 and not UNSEEN.search(self.name), "not a name")
        need(not self.name[0].isspace() and not self.name[-1].isspace(), "white space around a name")
        log = f"{network}/{self.id}"
        self.charter_key = self.key(said, "charter_key", f"{log}/charter", 1)
        self.log_key = self.key(said, "log_key", log, 1)
        self.mirror_key = self.key(said, "mirror_key", f"{log}/mirror", 4)
        self.ca = [from_pem(text) for text in strings(said, "ca")]
        need(1 <= len(self.ca) <= 4, "1 to 4 CA certificates")
        self.addresses = strings(said, "addresses")
        need(len(self.addresses) <= 8 and len(set(self.addresses)) == len(self.addresses), "addresses too many or twice")
        for address in self.addresses:
            check_address(address)
        need(string(said, "base", "") == "", "a base in version 1")

    def keys(self):
        return self.charter_key, self.log_key, self.mirror_key

    @staticmethod
    def key(said, field, name, kind):
        key = Key(string(said, field))
        need(key.name == name and key.type == kind, f"{field} is a key of another name or type")
        return key


def string(said, key, default=None):
    value = said.get(key, default)
    need(isinstance(value, str), f"{key} is not a string")
    return value


def strings(said, key, default=None):
    value = said.get(key, default)
    need(isinstance(value, list) and all(isinstance(item, str) for item in value), f"{key} is not a list of strings")
    return value


def whole_number(said, key, least=1):
    value = said.get(key)
    need(type(value) is int and least <= value < 1 << 32, f"{key} is not a whole number in its range")
    return value


def from_pem(text):
    """One PEM block in RFC 7468's strict form, of one DER sequence; the line feed at its end may be missing."""
    match = re.fullmatch(r"-----BEGIN CERTIFICATE-----\n((?:.*\n)*)-----END CERTIFICATE-----\n?", text)
    need(match, "not one PEM block")
    lines = match[1].split("\n")[:-1]
    need(lines and all(len(line) == 64 for line in lines[:-1]) and 1 <= len(lines[-1]) <= 64, "PEM lines of other lengths")
    der = from_base64("".join(lines))
    need(len(der) <= 4096 and der[:1] == b"\x30" and len(der) >= 2, "not a DER sequence")
    length, head = der[1], 2
    if length > 0x80:
        head += length - 0x80
        length = int.from_bytes(der[2:head], "big")
        need(head <= 4 and length >= (0x80 if head == 3 else 0x100), "a DER length that is longer than needed")
    need(der[1] != 0x80 and len(der) == head + length, "not one DER sequence")
    return der


def check_address(text):
    need(len(text.encode()) <= 259, "an address beyond its limit")
    host, _, port = text.rpartition(":")
    decimal(port, 1, 65535)
    if host.startswith("[") and host.endswith("]"):
        bits, inner = None, host[1:-1]
        if mapped := re.fullmatch(r"::ffff:([0-9.]+)", inner):
            ipv4(mapped[1])
        else:
            bits = ipv6(inner)
            need(bits >> 32 != 0xFFFF, "an IPv4-mapped address is written as such")
    elif re.fullmatch(r"[0-9]*", host.rpartition(".")[2]):
        ipv4(host)
    else:
        label = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
        need(re.fullmatch(rf"{label}(\.{label})*", host), "not a host name")


# ---- record::target ----

LABEL = r"[a-z0-9_-]{1,63}"
PATH = re.compile(r"/[!$-;=@-\[\]_a-z|~%]*")
QUERY = re.compile(r"[!$-&(-;=?-~]*")


def check_target(text):
    need(len(text) <= 8192 and re.fullmatch(r"[!-~]*", text), "not printable ASCII within the limit")
    kind, colon, value = text.partition(":")
    need(colon and kind in TARGETS, "no such type of target")
    TARGETS[kind](value)


def host_name(text):
    need(len(text) <= 253 and re.fullmatch(rf"{LABEL}(\.{LABEL})+", text), "not a host name")
    need(not re.fullmatch(r"[0-9]+|0x[0-9a-f]*", text.rpartition(".")[2]), "a host name that ends in a number")


def ipv4(text):
    parts = text.split(".")
    need(len(parts) == 4, "not an IPv4 address")
    return int.from_bytes(bytes(decimal(part, 0, 255) for part in parts), "big")


def ipv6(text):
    left, gap, right = text.partition("::")
    groups = [side.split(":") if side else [] for side in (left, right)]
    missing = 8 - len(groups[0]) - len(groups[1])
    need(missing >= 1 if gap else missing == 0, "not an IPv6 address")
    whole = groups[0] + ["0"] * missing + groups[1]
    need(all(re.fullmatch(r"0|[1-9a-f][0-9a-f]{0,3}", group) for group in whole), "not groups of an IPv6 address")
    zeros = [len(run[0]) for run in re.finditer("0+", "".join("0" if group == "0" else "x" for group in whole))]
    longest, expected = max(zeros, default=0), ":".join(whole)
    if longest >= 2:
        flat = "".join("0" if group == "0" else "x" for group in whole)
        at = flat.index("0" * longest)
        expected = ":".join(whole[:at]) + "::" + ":".join(whole[at + longest :])
    need(text == expected, "not an IPv6 address in its one form")
    return int("".join(group.zfill(4) for group in whole), 16)


def check_ip(text):
    address, slash, length = text.partition("/")
    bits, width = (ipv6(address), 128) if ":" in address else (ipv4(address), 32)
    if slash:
        length = decimal(length, 1, width - 1)
        need(bits & (1 << width - length) - 1 == 0, "address bits beyond the prefix")


def check_url(text):
    match = re.fullmatch(r"(https?)://([^/]*)(/[^?]*)(?:\?(.*))?", text)
    need(match, "not a url")
    scheme, authority, path, query = match.groups()
    authority = re.fullmatch(r"(\[[^\]]*\]|[^:\[\]]*)(?::(.*))?", authority)
    need(authority, "not a host and a port")
    host, port = authority.groups()
    if port is not None:
        need(decimal(port, 1, 65535) != {"http": 80, "https": 443}[scheme], "the scheme's own port")
    if host.startswith("["):
        ipv6(host[1:-1])
    elif re.fullmatch(r"[0-9.]*", host):
        ipv4(host)
    else:
        host_name(host)
    need(PATH.fullmatch(path), "a byte that no path has")
    need(not any(part.replace("%2E", ".") in (".", "..") for part in path.split("/")), "a dot segment")
    need(QUERY.fullmatch(query or ""), "a byte that no query has")
    pairs = re.findall(r"%(?=([0-9A-Fa-f]{2}))", path + "?" + (query or ""))
    need(all(pair == pair.upper() for pair in pairs), "percent-encoding in lower case")


def check_handle(text):
    platform, slash, handle = text.partition("/")
    need(slash and re.fullmatch(r"[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?", platform), "not a platform")
    need(1 <= len(handle) <= 1024 and handle[0] != "@", "not a handle")
    for part in handle.split("%")[1:]:
        need(re.match(r"[0-9A-F]{2}", part), "percent-encoding in another form")
        byte = int(part[:2], 16)
        need(byte == 0x25 or not 0x21 <= byte <= 0x7E, "percent-encoding that is not needed")


def check_hash(prefix):
    return lambda text: need(text.startswith(prefix) and HEX64.fullmatch(text[len(prefix) :]), "not a hash")


TARGETS = {
    "domain": host_name,
    "url": check_url,
    "ip": check_ip,
    "account": check_handle,
    "channel": check_handle,
    "app": check_handle,
    "file": check_hash("sha256:"),
    "image": check_hash("pdq:"),
}


# ---- wire: the messages, from the .proto files ----


class Field:
    def __init__(self, number, name, kind, repeated, oneof, comment):
        self.number, self.name, self.kind, self.repeated, self.oneof = number, name, kind, repeated, oneof
        # "at most 1,024 bytes" and "at most 64 items" of the comment are limits.
        most = re.search(r"at most ([0-9,]+) (?:bytes|items)", comment)
        self.most = int(most[1].replace(",", "")) if most else None
        self.wire = 0 if kind in ENUMS or kind in ("uint32", "uint64", "bool") else 2
        self.packed = repeated and self.wire == 0


MESSAGES, ENUMS = {}, {}


def read_protos(folder):
    texts = [(Path(folder) / name).read_text() for name in ("log.proto", "record.proto", "list.proto")]
    for text in texts:
        for name, body in re.findall(r"^enum (\w+) \{\n(.*?)^\}", text, re.S | re.M):
            ENUMS[name] = {int(number) for number in re.findall(r"^  \w+ = (\d+);", body, re.M)}
    for text in texts:
        for name, body in re.findall(r"^message (\w+) \{\n(.*?)^\}", text, re.S | re.M):
            MESSAGES[name], oneof, comment = {}, None, ""
            for line in map(str.strip, body.split("\n")):
                if line.startswith("//"):
                    comment += line[2:]
                elif line.startswith("oneof"):
                    oneof, comment = line.split()[1], ""
                elif line == "}":
                    oneof = None
                elif match := re.fullmatch(r"(repeated )?(\w+) (\w+) = (\d+);", line):
                    number = int(match[4])
                    MESSAGES[name][number] = Field(number, match[3], match[2], bool(match[1]), oneof, comment)
                    comment = ""


def read_varint(raw, at):
    number = shift = 0
    while True:
        need(at < len(raw) and shift < 64, "a varint is cut short or too long")
        byte = raw[at]
        number, shift, at = number | (byte & 0x7F) << shift, shift + 7, at + 1
        if byte < 0x80:
            need((byte or shift == 7) and number < 1 << 64, "a varint is longer than needed or too large")
            return number, at


def varint(number):
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(out + bytes([number]))


def decode(message, raw):
    """The fields by name. Refuses whatever is not the canonical encoding."""
    fields, said, at, last, arms = MESSAGES[message], {}, 0, 0, set()
    while at < len(raw):
        tag, at = read_varint(raw, at)
        field = fields.get(tag >> 3)
        need(field, "an unknown field")
        again = field.repeated and not field.packed and field.number == last
        need(field.number > last or again, "fields do not ascend, or one stands twice")
        need(field.oneof is None or field.oneof not in arms, "two arms")
        last, wire = field.number, tag & 7
        arms.add(field.oneof)
        need(wire == (2 if field.packed else field.wire), "another wire type")
        if wire == 0:
            number, at = read_varint(raw, at)
            need(number != 0, "a default is written out")
            said[field.name] = scalar(field, number)
            continue
        length, at = read_varint(raw, at)
        need(at + length <= len(raw), "cut short")
        part, at = raw[at : at + length], at + length
        if field.packed:
            need(part, "a default is written out")
            said[field.name], inner = [], 0
            while inner < len(part):
                number, inner = read_varint(part, inner)
                said[field.name].append(scalar(field, number))
        elif field.repeated:
            said.setdefault(field.name, []).append(whole(field, part))
        else:
            need(part or field.kind in MESSAGES, "a default is written out")
            said[field.name] = whole(field, part)
    return said


def scalar(field, number):
    if field.kind == "bool":
        need(number == 1, "truth has one encoding")
        return True
    # An enum is 32 bits with a sign; no schema of ours has a negative value.
    need(field.kind == "uint64" or number < (1 << 32 if field.kind == "uint32" else 1 << 31), "a number beyond its type")
    return number


def whole(field, part):
    if field.kind in MESSAGES:
        return decode(field.kind, part)
    if field.kind == "string":
        try:
            return part.decode()
        except UnicodeDecodeError as error:
            raise Refused("a text is not UTF-8") from error
    return part


def encode(message, said):
    out = b""
    for field in sorted(MESSAGES[message].values(), key=lambda field: field.number):
        value = said.get(field.name)
        if value is None or value in (0, "", b"", []):
            continue
        if field.packed:
            items = [b"".join(varint(number) for number in value)]
        else:
            items = value if field.repeated else [value]
        for item in items:
            out += varint(field.number << 3 | (2 if field.packed else field.wire))
            if isinstance(item, int):
                out += varint(int(item))
                continue
            if isinstance(item, dict):
                item = encode(field.kind, item)
            elif isinstance(item, str):
                item = item.encode()
            out += varint(len(item)) + item
    return out


# ---- entry ----


class Entry:
    """A leaf, and opening and payload unless they are missing."""

    def __init__(self, leaf, body):
        need(1 <= len(leaf) <= 64, "a leaf has 1 to 64 bytes")
        header = decode("EntryHeader", leaf)
        self.leaf, self.kind, self.time_ms = leaf, header.get("kind", 0), header.get("time_ms", 0)
        self.payload_size, self.commitment = header.get("payload_size", 0), header.get("commitment", b"")
        need(self.kind != 0, "no kind")
        need(1 <= self.payload_size <= 65536, "an impossible payload size")
        need(len(self.commitment) == 32, "a commitment has 32 bytes")
        self.opening = self.payload = None
        if body is not None:
            self.opening, self.payload = body[:16], body[16:]
            need(len(body) == 16 + self.payload_size, "a payload of another size")
            need(hmac.digest(self.opening, self.payload, "sha256") == self.commitment, "not what the leaf commits to")


def read_run(raw):
    entries, at = [], 0

    def take(length):
        nonlocal at
        need(at + length <= len(raw), "a run is cut short")
        at += length
        return raw[at - length : at]

    while at < len(raw):
        leaf = take(int.from_bytes(take(2), "big"))
        length = int.from_bytes(take(4), "big")
        need(length == 0 or 16 < length <= 16 + 65536, "an impossible length of a body")
        entries.append(Entry(leaf, take(length) if length else None))
    return entries


# ---- record::statement ----

ARMS = {}
CAN_END = {"refer", "hold", "opinion", "dispatch", "outcome", "observe", "link", "evidence"}
TEXT_NEVER = re.compile("[\0-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
TARGET_FIELDS = {"Refer.target", "Hold.target", "Observe.target", "Link.first", "Link.second"}
UNIT_FIELDS = {"RecordRef.unit", "FrontierLog.unit", "Custody.other", "OperationAssign.unit", "ForkProof.unit"}
UNIT_LISTS = {"Operation.invited", "OperationInvite.units"}
INDEXES = {"RecordRef.index", "Withdraw.index", "Erase.index", "FrontierLog.size", "AccessHead.size"}
HASHES = {
    "EvidenceItem.sha256", "Custody.sha256", "OperationFreeze.digest", "OperationReady.digest", "OperationGo.digest",
    "OperationGo.charter", "FrontierLog.root", "Adopt.digest", "Propose.digest", "Approve.digest", "Revoke.spki_sha256",
    "ForkProof.consistency", "AccessHead.root",
}  # fmt: skip
# Enums whose value 0 the schema calls refused (of an objection's ground more is said below).
NO_ZERO = {"Category", "Stance", "Answer", "Availability", "Relation", "CustodyStep", "ExecutedResult", "EraseReason"}


def statement(kind, payload):
    """The arm and what it says; Refused where the payload is set aside."""
    if not ARMS:
        ARMS.update({field.number: field for field in MESSAGES["Record"].values() if field.oneof})
    need(kind in ARMS, "an unknown kind")
    need(1 <= len(payload) <= 65536, "a payload of impossible length")
    record = decode("Record", payload)
    need(len(record.get("submission", b"")) == 16, "a submission has 16 bytes")
    arm = ARMS[kind]
    need(arm.name in record, "another kind than the header says")
    check_message(arm.kind, record[arm.name])
    return arm.name, record[arm.name]


def check_message(message, said):
    for field in MESSAGES[message].values():
        place, value = f"{message}.{field.name}", said.get(field.name)
        items = value if field.repeated and value else [] if field.repeated else [value]
        if field.most and field.repeated:
            need(len(items) <= field.most, f"too many of {place}")
        if place in UNIT_LISTS:
            need(len(items) <= 100 and ascends(items), f"{place} is too long or does not ascend")
        if field.kind == "RecordRef" and not field.repeated and place != "Evidence.operation":
            need(value is not None, f"{place} is missing")
        for item in items:
            check_value(place, field, item)
    if message in RULES:
        RULES[message](said)


def check_value(place, field, value):
    if field.kind in MESSAGES:
        if value is not None:
            check_message(field.kind, value)
    elif field.kind in ENUMS:
        need((value or 0) in ENUMS[field.kind], f"{place} is no value of its enum")
        need(value or field.kind not in NO_ZERO, f"{place} is not given")
    elif field.kind == "string":
        text = value or ""
        need(field.most is None or len(text.encode()) <= field.most, f"{place} is too long")
        need(not TEXT_NEVER.search(text), f"{place} has a character that no text has")
        if place in TARGET_FIELDS or (place in ("Evidence.target", "Observe.successor") and text):
            check_target(text)
        if place in UNIT_FIELDS or place in UNIT_LISTS:
            need(UNIT.fullmatch(text), f"{place} is not a unit id")
    elif place in HASHES:
        need(len(value or b"") == 32, f"{place} does not have 32 bytes")
    elif place in INDEXES:
        need((value or 0) < SIZE_END, f"{place} is beyond 2^40")
    elif field.name.endswith("_ms"):
        need((value or 0) < 253_402_300_800_000, f"{place} is beyond the year 9999")


def ascends(items):
    return all(one < other for one, other in zip(items, items[1:]))


def reference(said):
    return said.get("unit", ""), said.get("index", 0)


def check_refer(said):
    categories, handling = said.get("categories", []), said.get("handling", {})
    need(categories and ascends(categories), "categories are missing or do not ascend")
    need(said.get("accuracy", 0) <= 4, "an accuracy that is none")
    need(re.fullmatch(r"[A-Za-z0-9-]*", said.get("language", ""), re.A), "not a language tag")
    codes = handling.get("europol", [])
    need(ascends(codes) and all(code <= 3 for code in codes), "not handling codes, ascending")
    need(not said.get("prefix") or said["target"].startswith("url:"), "a prefix that is no url")


def check_propose(said):
    text = said.get("text", b"")
    need(len(text) <= 65000, "a proposal beyond its limit")
    need(not text or sha256(text) == said["digest"], "the digest of another text")


def check_fork_proof(said):
    need(all(1 <= len(said.get(name, b"")) <= 65536 for name in ("smaller", "larger")), "not two notes")
    need(len(said.get("consistency", [])) <= 80, "too many hashes")


RULES = {
    "Refer": check_refer,
    "EvidenceItem": lambda said: need(
        re.fullmatch(r"[ -~]*", said.get("media_type", "")), "a byte that no media type has"
    ),
    "Opinion": lambda said: need(
        (said.get("ground", 0) != 0) == (said["stance"] == 2), "a ground for support, or none for an objection"
    ),
    "Observe": lambda said: need(
        ("successor" in said) == (said["availability"] == 3), "a successor is given exactly of what moved"
    ),
    "Link": lambda said: need(said["first"] != said["second"], "a link to itself"),
    "Evidence": lambda said: need("item" in said, "evidence of nothing"),
    "Operation": lambda said: need(said.get("ready_quorum", 0) <= 100, "more than 100 ready units"),
    "OperationStep": lambda said: need(len(said) == 2, "a step that is none"),
    "OperationFreeze": lambda said: need(
        ascends([reference(target) for target in said.get("targets", [])]), "frozen targets do not ascend"
    ),
    "OperationGo": lambda said: need(
        ascends([log["unit"] for log in said.get("frontier", [])]), "the frontier does not ascend"
    ),
    "Adopt": lambda said: need(said.get("version", 0) >= 1, "version 0"),
    "Propose": check_propose,
    "ForkProof": check_fork_proof,
}


# ---- list::complete ----


def read_statement(entry):
    """What an entry says: None where its payload is missing or set aside."""
    try:
        return None if entry.payload is None else statement(entry.kind, entry.payload)
    except Refused:
        return None


def can_end(entry):
    return entry.kind in ARMS and ARMS[entry.kind].name in CAN_END


def complete_up_to(log, size):
    """The largest size up to this one at which the log is complete."""
    said = [read_statement(entry) for entry in log]
    erases = {}
    for index, statement_ in enumerate(said):
        if statement_ and statement_[0] == "erase":
            target = statement_[1].get("index", 0)
            if target < index and can_end(log[target]):
                erases.setdefault(target, index)
    missing = [index for index, entry in enumerate(log) if entry.payload is None]

    def complete(at):
        return all(erases.get(index, at) < at for index in missing if index < at)

    return max(at for at in range(size + 1) if complete(at))


# ---- list: the fold, version 1 ----

HELD, DISPUTED, LISTED, CLEARED = 1, 2, 3, 4
STATUS_WORDS = {HELD: "held", DISPUTED: "disputed", LISTED: "listed", CLEARED: "cleared"}


class Fold:
    """The rows of complete prefixes of logs, worked out from the whole of them."""

    def __init__(self, logs):
        self.logs = logs
        self.said, self.withdrawn, self.erased = {}, set(), set()
        for unit, log in logs.items():
            for index, entry in enumerate(log):
                self.said[unit, index] = read_statement(entry)
        for unit, log in logs.items():
            for index in range(len(log)):
                arm, body = self.said[unit, index] or (None, None)
                if arm not in ("withdraw", "erase"):
                    continue
                target = unit, body.get("index", 0)
                if target[1] >= index or not can_end(log[target[1]]) or target in self.erased:
                    continue
                if arm == "erase":
                    self.erased.add(target)
                elif target not in self.withdrawn:
                    self.withdrawn.add(target)

    def there(self, id, arm):
        """What a sound record of this kind says that is not erased."""
        said = self.said.get(id)
        return said[1] if said and said[0] == arm and id not in self.erased else None

    def stands(self, id, arm):
        return None if id in self.withdrawn else self.there(id, arm)

    def counts(self, id, arm):
        body = self.stands(id, arm)
        if body is None:
            return None
        on = reference(body["on"]) if "on" in body else None
        before = on is not None and (on[0] != id[0] or on[1] < id[1])
        if arm == "opinion":
            holds = on[0] != id[0] and self.stands(on, "refer") is not None
        elif arm == "dispatch":
            holds = before and self.there(on, "refer") is not None
        elif arm == "outcome":
            holds = before and self.counts(on, "dispatch") is not None
        elif arm == "observe":
            holds = body.get("observed_ms", 0) <= self.logs[id[0]][id[1]].time_ms
        else:
            holds = True
        return body if holds else None

    def rows(self):
        """The rows by target."""
        rows = {}
        ids = sorted(self.said, key=lambda id: (id[0].encode(), id[1]))
        for id in ids:
            named = self.there(id, "refer") or self.there(id, "hold")
            if named:
                rows[named["target"]] = {"target": named["target"]}
        objected = set()
        for id in ids:
            for arm, field in LISTS.items():
                body = self.counts(id, arm)
                if body is None:
                    continue
                for target in self.targets_of(arm, body) & rows.keys():
                    without = {key: value for key, value in body.items() if key != "target"}
                    element = {"id": {"unit": id[0], "index": id[1]}, "time_ms": self.logs[id[0]][id[1]].time_ms}
                    rows[target].setdefault(field, []).append(element | {arm: without})
                    if arm == "opinion" and body["stance"] == 2:
                        objected.add(target)
        for target, row in rows.items():
            seen = row.pop("availability", None)
            if seen:
                # The list ascends by unit and index, and of equals max takes the first: so from its end.
                row["availability"] = max(reversed(seen), key=lambda element: element["observe"].get("observed_ms", 0))
            row["status"] = (
                HELD if "holds" in row else DISPUTED if target in objected else LISTED if "referrals" in row else CLEARED
            )
        return rows

    def targets_of(self, arm, body):
        if arm in ("refer", "hold", "observe"):
            return {body["target"]}
        if arm == "link":
            return {body["first"], body["second"]}
        on = reference(body["on"])
        if arm == "outcome":
            on = reference(self.there(on, "dispatch")["on"])
        return {self.there(on, "refer")["target"]}


LISTS = {
    "refer": "referrals",
    "hold": "holds",
    "opinion": "opinions",
    "dispatch": "dispatches",
    "outcome": "outcomes",
    "link": "links",
    "observe": "availability",
}


def frontier_bytes(charter_digest, frontier):
    """What the frontier digest is over; frontier gives (size, root) for each unit of the charter."""
    out = b"entente list v1\n" + (1).to_bytes(4, "big") + charter_digest + len(frontier).to_bytes(4, "big")
    for unit, (size, found) in sorted(frontier.items(), key=lambda item: item[0].encode()):
        out += len(unit).to_bytes(2, "big") + unit.encode() + size.to_bytes(8, "big") + found
    return out


def list_bytes(charter_digest, frontier, row_hashes):
    """What the list digest is over; row_hashes by target."""
    out = frontier_bytes(charter_digest, frontier) + len(row_hashes).to_bytes(8, "big")
    for target, hash_ in sorted(row_hashes.items(), key=lambda item: item[0].encode()):
        out += len(target).to_bytes(4, "big") + target.encode() + hash_
    return out


# ---- receipt ----


class Receipt:
    """One record of a unit's log, verified under a charter."""

    def __init__(self, raw, charter):
        need(len(raw) <= 160 << 10, "a receipt beyond its limit")
        try:
            text = raw.decode()
        except UnicodeDecodeError as error:
            raise Refused("not UTF-8") from error
        need("\r" not in text, "a carriage return")
        frame, empty, note = text.partition("\n\n")
        need(empty, "no empty line before the checkpoint")
        lines = frame.split("\n")
        need(lines[0] == "c2sp.org/tlog-proof@v1", "another format")
        need(len(lines) >= 3, "lines are missing")
        need(lines[1].startswith("extra "), "no entry")
        extra = from_base64(lines[1].removeprefix("extra "))
        leaf_end = 2 + int.from_bytes(extra[:2], "big")
        need(len(extra) > leaf_end + 16 and leaf_end <= 66 and len(extra) - leaf_end - 16 <= 65536, "an entry cut short")
        need(lines[2].startswith("index "), "no index")
        self.index = decimal(lines[2].removeprefix("index "), 0, SIZE_END - 1)
        self.proof = [from_base64(line) for line in lines[3:]]
        need(len(self.proof) <= 40 and all(len(hash_) == 32 for hash_ in self.proof), "not hashes, or too many")
        self.unit = self.author(note, charter)
        need(self.signers(note) == self.expected(note, charter), "a signature that is not accounted for, or out of order")
        checkpoint = charter.read_checkpoint(self.unit, note.encode())
        self.size, self.root, self.cosigners, self.certified = checkpoint
        self.entry = Entry(extra[2:leaf_end], extra[leaf_end:])
        verify_inclusion(leaf_hash(self.entry.leaf), self.index, self.size, self.proof, self.root)
        self.kind, self.said = statement(self.entry.kind, self.entry.payload)

    @staticmethod
    def author(note, charter):
        origin = note.partition("\n")[0]
        units = [unit.id for unit in charter.units.values() if unit.log_key.name == origin]
        need(units, "a log of nobody in the charter")
        return units[0]

    @staticmethod
    def signers(note):
        """Who signed, as the lines say, in their order."""
        return list(parse_note(note.encode())[1])

    def expected(self, note, charter):
        """Of the keys that may sign, in the one order, those that did."""
        mirrors = sorted(charter.mirrors(self.unit).items())
        keys = [charter.units[self.unit].log_key] + [key for _, key in mirrors]
        signed = parse_note(note.encode())[1]
        return [(key.name, key.id) for key in keys if (key.name, key.id) in signed]

    def does(self, earlier):
        """What this record does to an earlier one."""
        if self.kind in ("withdraw", "erase"):
            own = self.unit == earlier.unit and self.said.get("index", 0) == earlier.index < self.index
            return self.kind + "s" if own and can_end(earlier.entry) else None
        if self.kind == "opinion" and earlier.kind == "refer" and self.unit != earlier.unit:
            on = self.said["on"]
            if (on["unit"], on.get("index", 0)) == (earlier.unit, earlier.index):
                return {1: "supports", 2: "objects"}[self.said["stance"]]
        return None
