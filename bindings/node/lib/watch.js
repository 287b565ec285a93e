// How the event loop learns that a queue has completions, without a thread that waits. A watch keeps the process alive
// between `start` and `stop`.

const { isMainThread } = require('node:worker_threads')
const koffi = require('koffi')

/** Milliseconds between two looks: at first, and at most. */
const SHORTEST = 1
const LONGEST = 50

/** Has libuv watch the descriptor, which is readable while there are completions. */
class Descriptor {
  #handle
  #isDue = false

  constructor(descriptor, look) {
    this.#handle = koffi.node.poll(descriptor, () => {
      if (this.#isDue) return
      this.#isDue = true
      // Promises go on only after a callback of node's own, and this is none.
      setImmediate(() => {
        this.#isDue = false
        if (this.#handle) look()
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

/** Looks by itself: soon after something began or finished, and more and more rarely while nothing does. */
class Timer {
  #look
  #timer
  #pause

  constructor(look) {
    this.#look = look
  }

  start() {
    // One that is about to look is not put off: there may always be something that begins.
    if (this.#timer && this.#pause === SHORTEST) return
    this.stop()
    this.#wait(SHORTEST)
  }

  #wait(pause) {
    this.#pause = pause
    this.#timer = setTimeout(() => {
      const timer = this.#timer
      const found = this.#look() > 0
      // What was looked at may have stopped this.
      if (this.#timer === timer) this.#wait(found ? SHORTEST : Math.min(pause * 1.5, LONGEST))
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

/** `look` takes completions, and says how many. */
function watch(descriptor, look) {
  // A worker that is terminated runs no JavaScript any longer, and koffi ends the process when its callback cannot be run.
  return isMainThread && koffi.node?.poll ? new Descriptor(descriptor, look) : new Timer(look)
}

module.exports = { watch }
