"""``python -m mos_cli`` is the ``mos`` command."""

from mos_cli.main import main

if __name__ == "__main__":
    main()
