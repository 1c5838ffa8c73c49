"""How devices get their identity: claims, certificates, renewals, revocations, and who has been copied."""
