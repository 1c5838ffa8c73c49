"""HLS: what was reconstructed as a stream, live or of an interval, for any player."""
