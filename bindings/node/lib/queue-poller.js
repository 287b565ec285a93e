// Takes completions from a queue on the event loop, without a thread that waits for them.
//
// A poller keeps the process alive between `start` and `stop`.

const { isMainThread } = require('node:worker_threads')
const { CAN_POLL } = require('./host.js')
const koffi = require('./koffi.js')

/** The shortest and the longest pause of a TimerPoller, in milliseconds. */
const MIN_PAUSE = 1
const MAX_PAUSE = 50

/**
 * libuv polls the queue's file descriptor, or its socket on Windows, which is readable while the
 * queue has completions.
 */
class FdPoller {
  #handle
  #isScheduled = false

  constructor(descriptor, take) {
    this.#handle = koffi.node.poll(descriptor, () => {
      if (this.#isScheduled) return
      this.#isScheduled = true
      // Node runs promise callbacks after its own callbacks only, and this is a callback of koffi.
      setImmediate(() => {
        this.#isScheduled = false
        if (this.#handle) take()
      })
    })
    this.#handle.unref()
  }

  start() {
    this.#handle.ref()
  }

  stop() {
    this.#handle.unref()
  }

  close() {
    this.#handle.close()
    this.#handle = undefined
  }
}

/** Polls on a timer. The pause is short after a start or a completion, and then grows. */
class TimerPoller {
  #take
  #timer
  #pause

  constructor(take) {
    this.#take = take
  }

  start() {
    // Does not restart the shortest pause: frequent starts would postpone the poll forever.
    if (this.#timer && this.#pause === MIN_PAUSE) return
    this.stop()
    this.#schedule(MIN_PAUSE)
  }

  #schedule(pause) {
    this.#pause = pause
    this.#timer = setTimeout(() => {
      const timer = this.#timer
      const hasTaken = this.#take() > 0
      // `take` may have stopped or restarted this poller.
      if (this.#timer === timer) {
        this.#schedule(hasTaken ? MIN_PAUSE : Math.min(pause * 1.5, MAX_PAUSE))
      }
    }, pause)
  }

  stop() {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  close() {
    this.stop()
  }
}

/**
 * Creates the poller of a queue. `descriptor` returns the queue's file descriptor, or -1 if it has
 * none. `take` takes completions and returns how many it took.
 */
function createPoller(descriptor, take) {
  // A terminated worker runs no more JavaScript, and koffi ends the process if its callback fails.
  if (CAN_POLL && isMainThread && koffi.node?.poll) {
    const fd = descriptor()
    if (fd !== -1) return new FdPoller(fd, take)
  }
  return new TimerPoller(take)
}

module.exports = { createPoller }
