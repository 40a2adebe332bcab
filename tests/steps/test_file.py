"""Kind `file`: every action, and that nobody ever sees half of one."""

import asyncio
import hashlib
import os
import threading

import pytest

from stoker.engine.kinds import StepFailed
from stoker.plan.model import Step
from stoker.steps import files

BINARY = bytes(range(256)) * 1000


def test_copy_keeps_bytes_mode_and_time(carry, write):
    source = write("a.bin", BINARY)
    source.chmod(0o751)
    os.utime(source, ns=(1, 2))
    outcome = carry("file", action="copy", src="a.bin", dest="new/b.bin")
    made = carry.cwd / "new/b.bin"
    assert made.read_bytes() == BINARY
    assert made.stat().st_mode & 0o7777 == 0o751
    assert made.stat().st_mtime_ns == 2
    assert outcome.result.outputs == {"path": str(made), "changed": True, "size": len(BINARY)}
    assert [path.name for path in made.parent.iterdir()] == ["b.bin"]


def test_copy_into_a_directory(carry, write):
    write("a.txt", "a")
    carry("file", action="copy", source="a.txt", dest="sub/")
    assert (carry.cwd / "sub/a.txt").read_text() == "a"


def test_write_replaces_and_keeps_the_mode(carry, write):
    target = write("a.txt", "old")
    target.chmod(0o640)
    carry("file", action="write", path="a.txt", content="ü\n")
    assert target.read_bytes() == "ü\n".encode()
    assert target.stat().st_mode & 0o7777 == 0o640
    carry("file", action="write", dest="a.txt", content="", mode="0600")
    assert target.read_bytes() == b""
    assert target.stat().st_mode & 0o7777 == 0o600


def test_a_new_file_has_the_mode_of_the_umask(carry):
    carry("file", action="write", dest="a.txt", content="x")
    reference = carry.cwd / "reference"
    reference.touch()
    assert (carry.cwd / "a.txt").stat().st_mode == reference.stat().st_mode


def test_write_does_not_write_through_a_link(carry, write, tmp_path):
    outside = tmp_path / "precious"
    outside.write_text("keep")
    (carry.cwd / "a.txt").symlink_to(outside)
    carry("file", action="write", dest="a.txt", content="new")
    assert outside.read_text() == "keep"
    assert (carry.cwd / "a.txt").read_text() == "new"


@pytest.mark.parametrize("action", ["copy", "move", "write", "template"])
def test_without_overwrite_what_is_there_stays(carry, write, action):
    write("a.txt", "new")
    target = write("b.txt", "old")
    given = {"content": "new"} if action == "write" else {"src": "a.txt"}
    with pytest.raises(StepFailed, match=r"b.txt exists already"):
        carry("file", action=action, dest="b.txt", overwrite=False, **given)
    assert target.read_text() == "old"
    assert sorted(path.name for path in carry.cwd.iterdir()) == ["a.txt", "b.txt"]


@pytest.mark.parametrize("action", ["copy", "move"])
def test_directories(carry, write, action):
    write("tree/sub/a.bin", BINARY).chmod(0o755)
    (carry.cwd / "tree/link").symlink_to("sub/a.bin")
    (carry.cwd / "tree/sub").chmod(0o750)
    write("made/old.txt", "old")
    extra = {"recursive": True} if action == "copy" else {}
    carry("file", action=action, src="tree", dest="made", **extra)
    made = carry.cwd / "made"
    assert sorted(path.name for path in made.iterdir()) == ["link", "sub"]
    assert (made / "link").is_symlink()
    assert (made / "sub").stat().st_mode & 0o7777 == 0o750
    assert (made / "sub/a.bin").read_bytes() == BINARY
    assert (made / "sub/a.bin").stat().st_mode & 0o7777 == 0o755
    left = ["made", "tree"] if action == "copy" else ["made"]
    assert sorted(path.name for path in carry.cwd.iterdir()) == left


@pytest.mark.parametrize("action", ["copy", "move"])
def test_directories_without_overwrite(carry, write, action):
    write("tree/a", "new")
    write("made/a", "old")
    extra = {"recursive": True} if action == "copy" else {}
    with pytest.raises(StepFailed, match="made exists already"):
        carry("file", action=action, src="tree", dest="made", overwrite=False, **extra)
    assert (carry.cwd / "made/a").read_text() == "old"


def test_followed_links_of_a_directory(carry, write, tmp_path):
    (tmp_path / "outside").write_text("content")
    (carry.cwd / "tree").mkdir()
    (carry.cwd / "tree/link").symlink_to(tmp_path / "outside")
    carry("file", action="copy", src="tree", dest="kept", recursive=True)
    assert (carry.cwd / "kept/link").is_symlink()
    given = {"recursive": True, "follow_symlinks": True}
    carry("file", action="copy", src="tree", dest="followed", **given)
    assert not (carry.cwd / "followed/link").is_symlink()
    assert (carry.cwd / "followed/link").read_text() == "content"


def test_links_out_of_the_directory_are_refused(carry, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    (carry.cwd / "link").symlink_to(outside)
    (carry.cwd / "direct").symlink_to(outside / "secret")
    leads = "leads out of the step's directory"
    with pytest.raises(StepFailed, match=leads):
        carry("file", action="copy", src="link/secret", dest="a")
    with pytest.raises(StepFailed, match=leads):
        carry("file", action="copy", src="direct", dest="a")
    with pytest.raises(StepFailed, match=leads):
        carry("file", action="write", dest="link/new", content="x")
    with pytest.raises(StepFailed, match=leads):
        carry("file", action="delete", src="link/secret")
    carry("file", action="copy", src="direct", dest="a", follow_symlinks=True)
    assert (carry.cwd / "a").read_text() == "secret"
    carry("file", action="delete", path="link")  # the link itself lies within
    assert (outside / "secret").exists()
    carry("file", action="write", dest=str(outside / "new"), content="x")  # named outright
    assert sorted(path.name for path in outside.iterdir()) == ["new", "secret"]


def test_a_tree_is_not_copied_into_itself(carry, write):
    write("tree/a", "a")
    with pytest.raises(StepFailed, match="lies within the source"):
        carry("file", action="copy", src="tree", dest="tree/sub/copy", recursive=True)


def test_move_across_file_systems(carry, write, monkeypatch):
    """Rename says EXDEV; the rest is real."""
    write("tree/a", "a")
    write("b", "b")
    (carry.cwd / "c").symlink_to("b")
    place = files.place

    def elsewhere(made, target, *, overwrite):
        if made.parent == carry.cwd:
            raise OSError(18, "Invalid cross-device link")
        place(made, target, overwrite=overwrite)

    monkeypatch.setattr(files, "place", elsewhere)
    for name in ("tree", "b", "c"):
        carry("file", action="move", src=name, dest=f"new/{name}")
    assert not any((carry.cwd / name).is_symlink() for name in ("tree", "b", "c"))
    assert [path.name for path in carry.cwd.iterdir()] == ["new"]
    assert (carry.cwd / "new/tree/a").read_text() == "a"
    assert (carry.cwd / "new/b").read_text() == "b"
    assert (carry.cwd / "new/c").readlink().name == "b"


def test_delete(carry, write):
    write("a", "a")
    write("tree/sub/b", "b")
    (carry.cwd / "tree/sub").chmod(0o500)
    carry("file", action="delete", src="a")
    with pytest.raises(StepFailed, match="say 'recursive: true'"):
        carry("file", action="delete", src="tree")
    carry("file", action="delete", src="tree", recursive=True)
    assert list(carry.cwd.iterdir()) == []
    with pytest.raises(StepFailed, match="does not exist"):
        carry("file", action="delete", src="a")
    outcome = carry("file", action="delete", src="a", missing_ok=True)
    assert outcome.result.outputs["changed"] is False


@pytest.mark.parametrize("name", [".", "..", "/"])
def test_the_ground_under_the_step_is_not_deleted(carry, name):
    with pytest.raises(StepFailed, match="the step's own directory lies in it"):
        carry("file", action="delete", src=name, recursive=True)
    assert carry.cwd.exists()


def test_mkdir(carry):
    for _ in range(2):
        carry("file", action="mkdir", path="a/b", mode="700")
    assert (carry.cwd / "a/b").stat().st_mode & 0o7777 == 0o700
    (carry.cwd / "file").touch()
    with pytest.raises(StepFailed, match="file: Not a directory"):
        carry("file", action="mkdir", dest="file")


def test_template(carry, write):
    write("in.txt", "host = ${{ host }}\nports = ${{ ports[0] }}, $${{ kept }}\n").chmod(0o600)
    values = {"host": "ü", "ports": [1, 2]}
    carry("file", action="template", src="in.txt", dest="out.txt", values=values)
    made = carry.cwd / "out.txt"
    assert made.read_text() == "host = ü\nports = 1, ${{ kept }}\n"
    assert made.stat().st_mode & 0o7777 == 0o600


@pytest.mark.parametrize(
    ("text", "words"),
    [("${{ host", "not closed"), ("${{ nobody }}", "nobody"), (b"\xff", "decode")],
)
def test_bad_templates(carry, write, text, words):
    write("in.txt", text)
    with pytest.raises(StepFailed, match=rf"in.txt is not a template: .*{words}"):
        carry("file", action="template", src="in.txt", dest="out.txt", values={})
    assert not (carry.cwd / "out.txt").exists()


@pytest.mark.parametrize("algorithm", ["sha256", "md5", "blake2b", "shake_128"])
def test_checksum(carry, write, algorithm):
    write("a.bin", BINARY)
    digest = hashlib.new(algorithm, BINARY)
    found = digest.hexdigest() if digest.digest_size else digest.hexdigest(64)
    given = {"action": "checksum", "src": "a.bin", "algorithm": algorithm}
    outputs = carry("file", **given, expect=found.upper()).result.outputs
    assert (outputs["checksum"], outputs["size"]) == (found, len(BINARY))
    with pytest.raises(StepFailed, match="expected abc"):
        carry("file", **given, expect="abc")


def test_errors_name_the_place(carry, write):
    write("plain", "")
    with pytest.raises(StepFailed, match=r"write .*/plain: Not a directory"):
        carry("file", action="write", dest="plain/below", content="x")


def test_cancel_waits_for_the_thread_which_takes_its_work_back(carry, write, monkeypatch):
    write("a.bin", BINARY)
    copying, go_on = threading.Event(), threading.Event()
    copy = files.copy_file

    def watched(source, target, *, stop, **kwargs):
        copying.set()
        go_on.wait()
        copy(source, target, stop=stop, **kwargs)

    monkeypatch.setattr(files, "copy_file", watched)
    step = Step(id="s", step_def={"type": "file", "action": "copy", "src": "a.bin", "dest": "b"})

    async def main():
        task = asyncio.create_task(carry.run(step))
        await asyncio.to_thread(copying.wait)
        task.cancel()
        await asyncio.sleep(0)
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert [path.name for path in carry.cwd.iterdir()] == ["a.bin"]


@pytest.mark.parametrize(
    ("definition", "words"),
    [
        ({"action": "copy", "src": "a"}, "action 'copy' needs 'dest'"),
        ({"action": "copy", "path": "a"}, "path: action 'copy' takes 'src' and 'dest'"),
        ({"action": "write", "dest": "a"}, "action 'write' needs 'content'"),
        ({"action": "delete", "src": "a", "source": "b"}, "given twice"),
        ({"action": "delete", "path": "a", "mode": "644"}, "mode: action 'delete' does not take"),
        ({"action": "mkdir", "path": "a", "mode": "rwx"}, "expected octal digits"),
        ({"action": "mkdir", "path": "a", "mode": "99999"}, "expected octal digits"),
        ({"action": "checksum", "path": "a", "algorithm": "crc"}, "none of Python's hashlib"),
    ],
)
def test_problems(carry, definition, words):
    (problem,) = carry.problems("file", **definition)
    assert words in problem
