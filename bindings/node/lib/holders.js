// The objects and the running calls that hold each activation of a client.

/** Calls `release` with an activation's id when nothing holds the activation any longer. */
class Holders {
  #release
  /** The holds of each activation, by its id. */
  #holds = new Map()

  constructor(release) {
    this.#release = release
  }

  hold(id) {
    const hold = { id }
    const holds = this.#holds.get(id)
    if (holds) holds.add(hold)
    else this.#holds.set(id, new Set([hold]))
    return hold
  }

  /** Ends a hold. Does nothing if it has ended. */
  end(hold) {
    const holds = this.#holds.get(hold.id)
    if (!holds?.delete(hold) || holds.size > 0) return
    this.#holds.delete(hold.id)
    this.#release(hold.id)
  }

  /** Ends all holds of an activation without a call of `release`. */
  forget(id) {
    this.#holds.delete(id)
  }
}

module.exports = { Holders }
