"""The commands of `sidereal`, a module each: flags to settings, settings to whoever does the work.

`up`, `replication`, `shard`: servers. `view`, `monitor`, `bots`: faces. `status`, `token`,
`doctor`: answers. `netsim`: a bad network. `new`: a project of one's own. `cli` loads a module only
when its command is called.
"""
