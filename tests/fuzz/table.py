"""All targets, and the functions that are reached through one of another name."""

from __future__ import annotations

from typing import Final

import targets_channel
import targets_client
import targets_http
import targets_message
import targets_servers
import targets_session
import targets_tools
import targets_worlds
from target import Target

TARGETS: Final[dict[str, Target]] = {
    target.name: target
    for targets in (
        targets_session.TARGETS,
        targets_channel.TARGETS,
        targets_message.TARGETS,
        targets_client.TARGETS,
        targets_servers.TARGETS,
        targets_http.TARGETS,
        targets_tools.TARGETS,
        targets_worlds.TARGETS,
    )
    for target in targets
}

REACHED: Final = {
    "protocol.session.token._read_addresses_untrusted": (
        "protocol.session.token.read_private_token_untrusted"
    ),
    "protocol.session.server.SessionServer._take_packet_untrusted": (
        "protocol.session.server.SessionServer"
    ),
    "protocol.session.server.SessionServer._take_request_untrusted": (
        "protocol.session.server.SessionServer"
    ),
    "protocol.session.server.SessionServer._take_response_untrusted": (
        "protocol.session.server.SessionServer"
    ),
    "protocol.session.client.SessionClient._take_packet_untrusted": (
        "protocol.session.client.SessionClient"
    ),
    "protocol.channel.peer.Peer.receive_untrusted": "protocol.channel.endpoint.ServerEndpoint",
    "client.reading.read_untrusted": "client.replica.Replica.apply_untrusted",
    "client.own.OwnEntity.answer_untrusted": "client.client.Client",
    "protocol.message.codec._decompress_untrusted": (
        "protocol.message.codec.decode_authority_untrusted"
    ),
    "protocol.state.described.schema_of_untrusted": "game.described.declare_untrusted",
    "protocol.state.description.explain_untrusted": (
        "protocol.state.schema.Schema.explain_untrusted"
    ),
    "protocol.state.description.read_untrusted": "protocol.state.schema.Schema.explain_untrusted",
    "protocol.state.private.read_private_untrusted": (
        "protocol.state.snapshot.read_snapshot_untrusted"
    ),
    "replication.http.connection.Connection._describe_untrusted": (
        "replication.http.connection.Connection"
    ),
    "shard.shadows.Shadows.cast_untrusted": "shard.shard.ShardCore._receive_untrusted",
    "shard.territory.Territory.grant_untrusted": "shard.shard.ShardCore._receive_untrusted",
    "shard.territory.Territory.revoke_untrusted": "shard.shard.ShardCore._receive_untrusted",
    "shard.territory.Territory._read_untrusted": "shard.shard.ShardCore._receive_untrusted",
}
"""Private functions by name, each with the target whose seeds get there."""
