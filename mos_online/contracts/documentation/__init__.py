"""The wire format as documentation, made from the structs of ``mos_online.contracts``."""
