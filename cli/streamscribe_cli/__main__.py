"""``python -m streamscribe_cli`` is the command ``streamscribe``."""

from streamscribe_cli.main import main

if __name__ == "__main__":
    main()
