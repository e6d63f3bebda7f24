"""MoS beside its rivals. An extra (``mos-online[evaluation]``) that nothing in service imports.

From the bottom up: ``backbones`` and ``rivals`` are models; ``protocol`` makes a dataset ready and fits; ``routing``
holds other ways to find themes; ``candidates`` names what is compared; ``results`` stores and measures; ``hopping``
asks whether a log suits MoS; ``static``, ``walk_forward`` and ``exposures`` are the comparisons; ``report`` writes.
"""
