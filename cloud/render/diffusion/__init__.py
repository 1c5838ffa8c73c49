"""The renderer of large bundles: a video diffusion model of the `diffusers` library, best on a GPU.

    segment --renderer--> plan --> request --> animatediff | ltx | wan --> frames

`options` and `models` read the bundle. Everything here needs the extra `gpu`; `cloud.render.load` imports it.
"""
