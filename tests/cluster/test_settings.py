"""Which line a setting comes from, as the server sees it too."""

from __future__ import annotations

import os

from pgssl_wizard.cluster.inspect import inspect
from pgssl_wizard.files.known_settings import tls_settings
from tests.servers import RealCluster


def test_every_tls_setting_of_the_version_is_listed_with_the_value_in_force(cluster: RealCluster, major: int) -> None:
    """And no other one."""
    seen = inspect(cluster.data_directory)
    listed = {name for name in seen.settings if name.startswith("ssl")}
    assert listed == {setting.name for setting in tls_settings(major)}
    told = cluster.sql("select name, setting from pg_settings where name like 'ssl%' and context <> 'internal' order by name")
    assert [(name, seen.settings[name].in_force) for name in sorted(listed)] == told


def test_untouched_settings_have_the_defaults_of_this_very_build(cluster: RealCluster) -> None:
    """So that value and value in force agree."""
    seen = inspect(cluster.data_directory)
    for name, setting in seen.settings.items():
        if setting.source == "default" and setting.in_force is not None:
            assert (name, setting.value) == (name, setting.in_force)


def test_each_source_is_told_as_the_server_tells_it(cluster: RealCluster) -> None:
    """File, include, ALTER SYSTEM, command line; the last one wins."""
    (cluster.data_directory / "conf.d").mkdir()
    os.chown(cluster.data_directory / "conf.d", cluster.identity.uid, cluster.identity.gid)
    cluster.write("conf.d/20.conf", "\nSSL_Ciphers = 'HIGH'\nssl_prefer_server_ciphers = no\n")
    cluster.set(ssl_ciphers="DEFAULT", ssl_prefer_server_ciphers="on", ssl_cert_file="mine.crt", ssl_key_file="mine.key")
    with cluster.config_file.open("a") as file:
        file.write("include_dir 'conf.d'\n")
    cluster.command_line = ["-c", "ssl_key_file=given.key"]
    cluster.restart()
    cluster.sql("alter system set ssl_cert_file = 'altered.crt'")
    cluster.reload()
    seen = inspect(cluster.data_directory)
    told = {
        name: (file, line)
        for name, file, line in cluster.sql(
            "select name, sourcefile, sourceline from pg_settings where name like 'ssl%' and sourcefile is not null"
        )
    }
    for name in ("ssl_ciphers", "ssl_prefer_server_ciphers", "ssl_cert_file"):
        setting = seen.settings[name]
        assert (str(setting.file), setting.line) == told[name]
        assert setting.value == setting.in_force
    assert seen.settings["ssl_ciphers"].source == "file"
    assert seen.settings["ssl_cert_file"].source == "auto.conf"
    key = seen.settings["ssl_key_file"]
    assert (key.source, key.value, key.in_force, key.file) == ("command-line", "given.key", "given.key", None)
    last = cluster.config_file.read_text().count("\n")
    assert seen.settings["ssl_ciphers"].included_by == (f"{cluster.config_file}:{last}",)
    assert seen.settings["ssl_ciphers"].overridden == (f"{cluster.config_file}:{last - 4}",)
    codes = {finding.code: finding for finding in seen.findings}
    assert {"command-line-override", "auto-conf-override", "setting-overridden"} <= set(codes)
    assert f"included by {cluster.config_file}:{last}" in codes["setting-overridden"].message


def test_the_command_line_of_the_last_start_counts_while_the_server_is_down(cluster: RealCluster) -> None:
    """postmaster.opts remembers it."""
    cluster.stop()
    cluster.command_line = ["-c", "ssl_ciphers=HIGH"]
    cluster.start()
    cluster.stop()
    setting = inspect(cluster.data_directory).settings["ssl_ciphers"]
    assert (setting.source, setting.value) == ("command-line", "HIGH")


def test_a_name_of_old_is_found_under_the_new_one(cluster: RealCluster, major: int) -> None:
    """ssl_ecdh_curve in 18."""
    cluster.set(ssl_ecdh_curve="secp384r1")
    cluster.reload()
    seen = inspect(cluster.data_directory)
    setting = seen.settings["ssl_groups" if major >= 18 else "ssl_ecdh_curve"]
    assert (setting.value, setting.in_force, setting.source) == ("secp384r1", "secp384r1", "file")


def test_ssl_switched_on_and_not_loaded_is_told(cluster: RealCluster) -> None:
    """Value and value in force differ."""
    cluster.set(ssl="yes")
    seen = inspect(cluster.data_directory)
    assert (seen.settings["ssl"].value, seen.settings["ssl"].in_force) == ("on", "off")
    assert "ssl-not-in-force" in {finding.code for finding in seen.findings}
