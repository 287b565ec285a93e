"""Names for the programs with greenlets. The first argument is gevent or eventlet.

The import patches the standard library, so it comes before all others.
"""

import sys
import warnings

KIND = sys.argv.pop(1)
if KIND == "gevent":
    import gevent
    import gevent.monkey

    gevent.monkey.patch_all()
    from gevent import GreenletExit, Timeout, spawn

    def result(greenlet):
        return greenlet.get()

    def kill(greenlet):
        greenlet.kill()

    def in_native_thread(function):
        return gevent.get_hub().threadpool.apply(function)

else:
    # eventlet is deprecated, and says so.
    warnings.simplefilter("ignore")
    import eventlet

    eventlet.monkey_patch()
    from eventlet import Timeout, spawn, tpool
    from greenlet import GreenletExit

    def result(greenlet):
        return greenlet.wait()

    def kill(greenlet):
        greenlet.kill()

    def in_native_thread(function):
        return tpool.execute(function)


__all__ = ["KIND", "GreenletExit", "Timeout", "in_native_thread", "kill", "result", "spawn"]
