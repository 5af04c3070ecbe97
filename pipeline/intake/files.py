"""Which files a source has: globs with an optional `{day}`, kept inside the source's own folder.

A link that leads out of that folder is refused, and so is anything that is not a regular file. What is in the files is
not looked at here.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from pipeline.disk import seen
from pipeline.errors import Location, SourceError, StorageError
from pipeline.globs import DAY_MARK, is_hidden, pattern_regex
from pipeline.intake.found import FoundFile, as_day
from pipeline.objects import CACHE_FOLDER, is_url
from pipeline.objects.client import needs_extra
from pipeline.settings import SourceSettings

_DAY_GLOB = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]"
_GLOB_CHARS = re.compile(r"[*?\[{]")


@dataclass
class Listing:
    """The files of one source, and what is wrong with the listing itself."""

    files: list[FoundFile] = field(default_factory=list)
    problems: list[SourceError] = field(default_factory=list)
    whole: bool = True
    """Whether all files are known: a store or a share that cannot be reached tells nothing about what is gone."""
    hiding: list[SourceError] = field(default_factory=list)
    """Those of the problems for which files may be there that are not known."""


def split_pattern(site_root: Path, pattern: str) -> tuple[Path, str]:
    """(the folder before the first wildcard, the rest as a pattern relative to it)."""
    parts = PurePosixPath(pattern).parts
    fixed = 0
    while fixed < len(parts) - 1 and not _GLOB_CHARS.search(parts[fixed]):
        fixed += 1
    return (site_root / PurePosixPath(*parts[:fixed])), str(PurePosixPath(*parts[fixed:]))


def list_files(site_root: Path, source: SourceSettings) -> Listing:
    """All files of a source, ordered by name; a glob that matches nothing is a problem, not an error."""
    if is_url(source.path):
        return _list_objects(site_root, source)
    root, pattern = split_pattern(site_root, source.path)
    listing = Listing()
    if source.retired is not None and not seen(root.exists):
        return listing
    where = Location(key=f"sources.{source.name}.path")
    day_of = pattern_regex(pattern) if DAY_MARK in pattern else None
    try:
        real_root = root.resolve(strict=True)
        paths = sorted(root.glob(pattern.replace(DAY_MARK, _DAY_GLOB)))
    except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: a loop of links, before Python 3.13.
        problem = SourceError(
            f"source {source.name}: {root} cannot be listed ({error}).",
            where=where,
            remedy="Correct the path, create the folder or mount it again; of a source that is gone for good say since "
            "when: retired: DAY.",
        )
        return Listing(problems=[problem], whole=False, hiding=[problem])
    for path in paths:
        if is_hidden(path.relative_to(root).as_posix(), pattern):
            continue
        _add(listing, site_root, root, real_root, path, source.name, day_of)
    for closed, why in _closed(root, pattern.replace(DAY_MARK, _DAY_GLOB)).items():
        listing.hiding.append(
            SourceError(
                f"is a folder that cannot be listed ({why}): logs in it were not read.",
                where=Location(file=ascii(_name(site_root, root, closed))[1:-1]),
                remedy="Let the user that reads them have the right to, or narrow the source's path.",
            )
        )
    listing.problems += listing.hiding
    folder = not listing.files and seen((site_root / source.path).is_dir)
    return _said(listing, source, "It is a folder: name its files, such as with /*.log behind it." if folder else "")


def _closed(root: Path, pattern: str) -> dict[Path, str]:
    """Folders on the way of a pattern that cannot be listed, which pathlib takes for empty, and why."""
    parts, found = PurePosixPath(pattern).parts, dict[Path, str]()
    for depth, part in enumerate(parts):
        before = parts[:depth]
        listed = bool(_GLOB_CHARS.search(part)) or "**" in before[-1:]
        for folder in root.glob("/".join(before)) if before else [root]:
            try:
                if listed:
                    os.scandir(folder).close()
                else:
                    (folder / part).stat()
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                name = folder.relative_to(root).as_posix()
                if folder.name != "lost+found" and not is_hidden(name, pattern):
                    found[folder] = error.strerror or str(error)
    return found


def _said(listing: Listing, source: SourceSettings, remedy: str = "") -> Listing:
    if not listing.files and not listing.problems and source.retired is None:
        listing.problems.append(
            SourceError(
                f"source {source.name}: no file matches {source.path!r}.",
                where=Location(key=f"sources.{source.name}.path"),
                remedy=remedy or "Correct the path, or wait for the first log.",
            )
        )
    return listing


def _list_objects(site_root: Path, source: SourceSettings) -> Listing:
    """The objects of a source."""
    needs_extra(source.path)
    from pipeline.intake.remote import find_objects  # noqa: PLC0415 - needs an extra

    try:
        found = find_objects(site_root / CACHE_FOLDER, source)
    except StorageError as error:
        problem = SourceError(f"source {source.name}: {error.what}", where=error.where, remedy=error.remedy)
        return Listing(problems=[problem], whole=False, hiding=[problem])
    return _said(Listing(found), source)


def _add(
    listing: Listing,
    site_root: Path,
    root: Path,
    real_root: Path,
    path: Path,
    source: str,
    day_of: re.Pattern[str] | None,
) -> None:
    name = _name(site_root, root, path)
    try:
        name.encode()
        real = path.resolve(strict=True)
        info = real.stat()
    except (OSError, RuntimeError, UnicodeError) as error:
        listing.problems.append(_unopened(error, Location(file=ascii(name)[1:-1])))
        return
    if stat.S_ISDIR(info.st_mode):
        return
    where = Location(file=name)
    if not real.is_relative_to(real_root):
        fault, remedy = (
            "is a link out of its source's folder, and was not read.",
            "Copy the file, or name its real path.",
        )
        listing.problems.append(SourceError(fault, where=where, remedy=remedy))
        return
    if not stat.S_ISREG(info.st_mode):
        fault, remedy = "is not a regular file, and was not read.", "Narrow the source's path."
        listing.problems.append(SourceError(fault, where=where, remedy=remedy))
        return
    match = day_of.search(path.relative_to(root).as_posix()) if day_of else None
    day = as_day(match["day"]) if match else None
    listing.files.append(FoundFile(source, real, name, info.st_size, info.st_mtime_ns, day, "", info.st_ctime_ns))


def _unopened(error: Exception, where: Location) -> SourceError:
    """Why a file was not looked into: its name, where it leads, or this user's rights."""
    if isinstance(error, UnicodeError):
        remedy = "Rename it, such as with convmv, or narrow the source's path."
        return SourceError("has a name that is no UTF-8, and was not read.", where=where, remedy=remedy)
    why = getattr(error, "strerror", None) or str(error)
    rights = "Let this user read it, or narrow the source's path."
    gone = "Where it is a link, let it name a file that is there, or remove it."
    remedy = gone if isinstance(error, FileNotFoundError) else rights
    return SourceError(f"cannot be opened ({why}).", where=where, remedy=remedy)


def _name(site_root: Path, root: Path, path: Path) -> str:
    """The file's name in tables: relative to the site, else to the source's folder; never absolute."""
    base = site_root if path.is_relative_to(site_root) else root
    return path.relative_to(base).as_posix()
