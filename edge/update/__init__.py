"""Releases and bundles come onto the device: fetched, proved, tried, kept or undone.

agent (user mirage)  --wanted.json-->  updater (root)  --> slot, link, restart
      <--state.json: what is being tried--    ^
      '--healthy.json: the cloud has stored something--'

settings.py   update.toml                         desk.py       the agent's side: orders, health, answers
wishes.py     wanted.json, healthy.json           running.py    which release this process is of
state.py      state.json, what survives a cut     racks.py      slots, bundles and their links
client.py     one HTTP connection, its bytes      fetch.py      a pack, in pieces, within its budget
tree.py       a pack becomes a tree               install.py    from an order to a tree that is proved
machine.py    systemd, clocks, the platform       trial.py      a new version, until it is kept or undone
versions.py   which of two is older               updater.py    the steps; which version stays
"""
