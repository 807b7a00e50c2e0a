"""What a certificate will say, in plain words; the same text on the screen, in the plan and in its JSON."""

from __future__ import annotations

from pgssl_wizard.certificates.profiles import Profile

KEY_WORDS = {
    "ecdsa-p256": "ECDSA P-256",
    "ecdsa-p384": "ECDSA P-384",
    "rsa-2048": "RSA 2048 bits",
    "rsa-3072": "RSA 3072 bits",
    "rsa-4096": "RSA 4096 bits",
}


def in_words(profile: Profile) -> tuple[str, ...]:
    """Return a few lines that say what the certificate will say."""
    lines = [f"{_KIND[profile.kind]}: {profile.common_name}"]
    if profile.names:
        lines.append("for " + ", ".join(profile.names))
    lines.append(f"key {KEY_WORDS[profile.key]}")
    if profile.kind == "request":
        return (*lines, "asks to prove a server", "whoever signs it decides how long it lives")
    lines.append(f"valid {life(profile.days)}, from an hour before it is made")
    if profile.issuer == profile.common_name and profile.kind in {"root", "self-signed"}:
        lines.append("signed by itself")
    else:
        lines.append(f"signed by {profile.issuer}")
    if profile.kind == "root":
        below = "intermediates and servers" if profile.path_length else "server certificates"
        lines.append(f"may sign {below}; nothing else")
    elif profile.kind == "intermediate":
        lines.append("may sign server certificates, no further CA")
    elif profile.kind == "client":
        lines.append("may prove this role to a server, may not sign other certificates")
    else:
        lines.append("may prove a server, may not sign other certificates")
    return tuple(lines)


def life(days: int) -> str:
    """Return a number of days as people say it: `10 years`, `1 year`, `90 days`."""
    if days >= 365 and days % 365 == 0:
        years = days // 365
        return "1 year" if years == 1 else f"{years} years"
    return f"{days} days" if days != 1 else "1 day"


_KIND = {
    "root": "root CA",
    "intermediate": "intermediate CA",
    "server": "server certificate",
    "self-signed": "self-signed server certificate",
    "client": "client certificate",
    "request": "request for a server certificate",
}
