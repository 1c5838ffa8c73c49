"""Devices from bare to running: the fleet file, plans, first-boot seeds, disks and Jetsons."""
