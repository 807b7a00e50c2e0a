"""How fast client certificates and kits are made, beside the least that has to be done for them."""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from pgssl_wizard.certificates import issue, keys, kits, workers
from pgssl_wizard.certificates.authority import open_authority
from pgssl_wizard.certificates.kit_text import Connection
from pgssl_wizard.certificates.kits import Maker, Order
from pgssl_wizard.certificates.profiles import Profile
from pgssl_wizard.change.kits import write
from pgssl_wizard.change.signals import watched

COUNT = 1000
ROLES = [f"role{number}" for number in range(COUNT)]

_kept: list[tempfile.TemporaryDirectory[str]] = []


def an_order(passphrase: bytes = b"") -> Order:
    """Return an order to a CA made for it."""
    now = datetime.now(UTC)
    made = issue.make(Profile("root", "CA", "ecdsa-p256", 3650, "CA", path_length=1), keys.generate("ecdsa-p256"), None, now)
    authority = open_authority(("ca.crt", made.certificate_pem), ("ca.key", made.key_pem), [], now, lambda _: None)
    where = Connection("db.example.com", 5432, "app")
    return kits.order(authority, made.certificate_pem, key="ecdsa-p256", days=365, passphrase=passphrase, connection=where, made=now)


def pairs(order: Order) -> float:
    """Return the seconds in which every role's certificate and key file are made."""
    maker = Maker(order)
    begun = time.perf_counter()
    for role in ROLES:
        maker.pair(maker.certificate(role))
    return time.perf_counter() - begun


def bare_pairs() -> float:
    """Return the seconds of as many new keys and signatures."""
    signer = keys.generate("ecdsa-p256")
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    data = b"x" * 400
    begun = time.perf_counter()
    for _ in ROLES:
        keys.generate("ecdsa-p256")
        signer.sign(data, ec.ECDSA(hashes.SHA256()))
    return time.perf_counter() - begun


def whole(order: Order) -> float:
    """Return the seconds in which every role's kit is made and on the disk, the start of the workers included."""
    # Gone at the end of all: what was deleted a moment ago slows the making of files down.
    _kept.append(tempfile.TemporaryDirectory(prefix="pgb-kits-"))
    begun = time.perf_counter()
    with watched() as watch:
        write(Path(_kept[-1].name) / "kits", workers.make(order, ROLES), watch, lambda _: None)
    return time.perf_counter() - begun


def bare_packed(order: Order) -> float:
    """Return the seconds of as many PKCS#12 files on all cores; processes, keys and certificates are there before."""
    cores = workers.cores()
    with multiprocessing.get_context("spawn").Pool(cores) as pool:
        return max(pool.map(_pack, [(order, ROLES[start::cores]) for start in range(cores)], chunksize=1))


def _pack(work: tuple[Order, Sequence[str]]) -> float:
    order, roles = work
    maker = Maker(order)
    made = [maker.certificate(role) for role in roles]
    begun = time.perf_counter()
    for each in made:
        maker.packed(each)
    return time.perf_counter() - begun
