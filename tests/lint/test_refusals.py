from __future__ import annotations

import pytest

from tests.lint.asking import findings


@pytest.mark.parametrize(
    ("line", "version", "cure"),
    [
        ("HOST all all all md5", 18, "Write host, in lower case"),
        ("hosts all all all md5", 18, "Did you mean host"),
        ("nonsense", 18, "begins with one of"),
        ("ssl = on", 18, "a line of postgresql.conf"),
        ("include other.conf", 15, "came with 16"),
        ("include a b", 18, "exactly one name"),
        ("host,local all all all md5", 18, "a line for each type"),
        ("host all", 18, "A rule is TYPE DATABASE USER"),
        ("host all all", 18, "The address is missing"),
        ("host all all md5", 18, "A field is missing"),
        ("host all all 127.0.0.1 md5", 18, "needs its length"),
        ("host all all 127.0.0.1", 18, "with its length"),
        ("host all all 10.0.0.0/33 md5", 18, "from 0 to 32"),
        ("host all all [::1]/128 md5", 18, "without brackets"),
        ("host all all 10.0.0.0 ffff:: md5", 18, "same family"),
        ("host all all 10.0.0.1/32,10.0.0.2/32 md5", 18, "a line for each address"),
        ("host db1 ,db2 all all md5", 18, "the blank before the comma"),
        ("host all all all MD5", 18, "Write md5, in lower case"),
        ("host all all all scram-sha256", 18, "Did you mean scram-sha-256"),
        ("host all all all md5,scram-sha-256", 18, "one method"),
        ("host all all all krb5", 18, "use gss"),
        ("host all all all sspi", 18, "No server on Linux"),
        ("host all all all radius radiusservers=a radiussecrets=b", 19, "gone since 19"),
        ("host all all all oauth issuer=a scope=b", 17, "came with 18"),
        ("local all all 127.0.0.1/32 md5", 18, "a local rule has none"),
        ("host my db all 10.0.0.0/8 md5", 18, "a field too many"),
        ("host all all all cert", 18, "Write hostssl"),
        ("host all all all scram-sha-256 clientcert=verify-ca", 18, "Write hostssl"),
        ("host all all all peer", 18, "make the rule local"),
        ("local all all gss", 18, "peer or scram-sha-256"),
        ("hostssl all all all scram-sha-256 map=x", 18, "Take map= out"),
        ("hostssl all all all scram-sha-256 pamservice=x", 18, "Take it out"),
        ("hostssl all all all cert clientcert=verify-ca", 18, "Take clientcert out"),
        ("hostssl all all all md5 clientcert=1", 14, "clientcert=verify-ca, which is what 1 meant"),
        ("hostssl all all all md5 clientcert=0", 18, "Take clientcert out"),
        ("hostssl all all all md5 clientcert=Verify-Full", 18, "clientcert=verify-full, in lower case"),
        ("hostssl all all all md5 clientcert=yes", 18, "clientcert=verify-ca or clientcert=verify-full"),
        ("hostssl all all all cert clientname=dn", 18, "CN or DN, in capitals"),
        ("hostssl all all all cert clientname=DN", 13, "came with 14"),
        ("hostssl all all all cert mapp=x", 18, "Did you mean map"),
        ("hostssl all all all cert map = x", 18, "without blanks around ="),
        ("host all all all ldap", 18, "Add the option"),
        ("host all /(, all md5", 18, "double quotes as a whole"),
        ("host @gone all all md5", 18, "See to it that the file is there"),
    ],
)
def test_a_refused_line_comes_with_its_cure(line: str, version: int, cure: str) -> None:
    (error,) = [each for each in findings("pg_hba.conf", line + "\n", version) if each.severity == "error"]
    assert (error.code, error.where) == ("rule-error", "/etc/pg/pg_hba.conf:1")
    assert f"is refused by PostgreSQL {version}" in error.message
    assert cure in str(error.hint)


@pytest.mark.parametrize("option", ["clientcert=1", "clientcert=maybe", "clientname=cn"])
def test_the_view_is_said_to_hide_some_refusals(option: str) -> None:
    (error,) = [each for each in findings("pg_hba.conf", f"hostssl all all all scram-sha-256 {option}\n") if each.severity == "error"]
    assert "neither a type nor an error" in str(error.hint)
