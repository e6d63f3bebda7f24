"""What a wheel of the project holds beside Python files."""

from __future__ import annotations

import zipfile
from pathlib import Path

from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).parent.parent.parent
PACKAGES = ("mos_online", "features", "publishing", "streams", "serving", "simulator", "evaluation", "mos_cli")


def test_the_templates_are_in_the_wheel(tmp_path: Path) -> None:
    (wheel,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    inside = set(zipfile.ZipFile(wheel).namelist())
    templates = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("templates/*")
        if path.is_file()
    }
    assert "serving/http/templates/reference.html" in templates
    assert templates <= inside
