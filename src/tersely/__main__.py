"""``python -m tersely`` and the installed command.

While the package is being imported a Ctrl-C ends the process at once, as it does any program: nobody is there yet who
could say a sentence instead of a traceback.
"""

import signal

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from tersely.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
