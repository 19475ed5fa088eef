"""Ledgers in both dialects; PostgreSQL is a cluster of its own that lives for the test session."""

import glob
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from chaffinch.store.ledger import Ledger

NUMBERS = iter(range(10**6))


def programs():
    """The folder of initdb and pg_ctl, or None."""
    places = sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True)
    found = shutil.which("initdb")
    places += [str(Path(found).parent)] if found else []
    return next((Path(place) for place in places if (Path(place) / "pg_ctl").exists()), None)


def as_user(words):
    """PostgreSQL refuses to run as root: then it runs as the user postgres."""
    if os.getuid():
        return words
    try:
        pwd.getpwnam("postgres")
    except KeyError:
        pytest.skip("PostgreSQL does not run as root, and there is no user 'postgres'")
    return ["runuser", "-u", "postgres", "--", *words]


@pytest.fixture(scope="session")
def postgres():
    """URL of a PostgreSQL server with the database postgres, on a socket in a temporary folder."""
    pytest.importorskip("psycopg")
    place = programs()
    if place is None:
        pytest.skip("the programs of PostgreSQL (initdb, pg_ctl) are not installed")
    root = Path(tempfile.mkdtemp(prefix="chaffinch-pg-", dir="/tmp"))  # sockets need short paths
    if not os.getuid():
        shutil.chown(root, "postgres")
    data, log = str(root / "data"), str(root / "log")
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": "/"}
    make = [place / "initdb", "-D", data, "-A", "trust", "-U", "postgres", "-N", "-E", "UTF8"]
    options = f"-k {root} -c listen_addresses='' -c fsync=off -c max_connections=40"
    start = [place / "pg_ctl", "-D", data, "-l", log, "-o", options, "-w", "start"]
    try:
        for words in (make, start):
            subprocess.run(as_user(list(map(str, words))), check=True, **quiet)
        yield f"postgresql://postgres@/postgres?host={root}"
    finally:
        stop = [str(place / "pg_ctl"), "-D", data, "-m", "immediate", "stop"]
        subprocess.run(as_user(stop), check=False, **quiet)
        shutil.rmtree(root, ignore_errors=True)


def new_schema(server):
    import psycopg

    name = f"ledger{next(NUMBERS)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}")  # much quicker than a database
    return f"{server}&options=-csearch_path%3D{name}"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    """URL of an empty ledger."""
    if request.param == "sqlite":
        return str(tmp_path / "ledger.db")
    return new_schema(request.getfixturevalue("postgres"))


@pytest.fixture
def ledger(url, tmp_path):
    return Ledger(url, tmp_path / "artifacts")
