"""Write the recordings that the foreign decoder reads: `uv run python -m tests.interop.record`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from .recorder.channels import Talk
from .recorder.world import World

RECORDINGS: Final = Path(__file__).parent / "recordings"
SIZE_MAX: Final = 360_000


def record() -> dict[str, str]:
    """Make all recordings: text by name."""
    world, talk = World(), Talk()
    world.play()
    talk.play()
    transcripts = {"client": world.client, "shard": world.shard, "channels": talk.transcript}
    return {name: "\n".join([*t.lines, ""]) for name, t in transcripts.items()}


if __name__ == "__main__":
    RECORDINGS.mkdir(exist_ok=True)
    for name, text in record().items():
        path = RECORDINGS / f"{name}.jsonl"
        path.write_text(text)
        print(f"{path.relative_to(Path.cwd())}: {len(text):,} bytes")
