"""Makes releases: a tree of locked wheels or a bundle, signed, as an archive and as packs."""
