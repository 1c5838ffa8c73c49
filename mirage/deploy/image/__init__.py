"""A whole disk for a board that boots by UEFI: Debian, the agent in its slots, and a place for the seed.

order.py     what the image is made of, and what it is called
packages.py  Debian's packages: which, from where, and the lock that names each by its hash
layout.py    partitions, and the partition table
volumes.py   file systems as files: the same tree gives the same bytes
tree.py      what is laid over Debian
sbom.py      what is in it, as CycloneDX
build.py     one after the other
"""
