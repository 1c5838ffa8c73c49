"""`mirage bench quality`: what is left of a video, beside codecs at equal bytes and trivial baselines."""
