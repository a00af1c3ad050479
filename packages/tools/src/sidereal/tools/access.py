"""Who may see and do what in a world, as `sidereal up` hands it on to the replication server."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AccessFlags:
    """What the flags of that name say; the server checks them."""

    operators: tuple[str, ...] = ()
    observers: str | None = None
    host_names: tuple[str, ...] = ()
    proxies: tuple[str, ...] = ()

    def arguments(self) -> list[str]:
        """Write them as arguments of `sidereal replication`."""
        observers = () if self.observers is None else (self.observers,)
        return [
            word
            for flag, values in (
                ("--operator", self.operators),
                ("--observers", observers),
                ("--host-name", self.host_names),
                ("--proxy", self.proxies),
            )
            for value in values
            for word in (flag, value)
        ]
