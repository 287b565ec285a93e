// A scrolling list that creates DOM nodes only for the visible rows.

class List {
  #window
  #body
  #height
  #items = []
  #rows = new Map()
  #make
  #fill

  /**
   * `make` creates an empty row, `fill` fills it with an item. Each item has a `key`, and a changed
   * item is a new object. The stylesheet sets the height of a row in `--row`.
   */
  constructor(window, make, fill) {
    this.#window = window
    this.#body = window.firstElementChild
    this.#make = make
    this.#fill = fill
    this.measure()
    window.addEventListener('scroll', () => this.draw(), { passive: true })
    new ResizeObserver(() => {
      this.measure()
      this.draw()
    }).observe(window)
  }

  measure() {
    this.#height = Number.parseFloat(getComputedStyle(this.#window).getPropertyValue('--row'))
  }

  /**
   * Shows these items. The row with the focus, or else the first visible row, keeps its position.
   */
  show(items) {
    const rowsAbove = Math.floor(this.#window.scrollTop / this.#height)
    const anchor = this.#focused ?? (rowsAbove > 0 ? this.#items[rowsAbove] : undefined)
    const place = (list) => list.findIndex(({ key }) => key === anchor.key)
    const [before, after] = anchor ? [place(this.#items), place(items)] : [0, 0]
    this.#items = items
    this.draw(after >= 0 ? (after - before) * this.#height : 0)
  }

  /** The item whose row has the focus. */
  get #focused() {
    if (!this.#body.contains(document.activeElement)) return undefined
    for (const { node, item } of this.#rows.values())
      if (node.contains(document.activeElement)) return item
  }

  draw(moved = 0) {
    this.#body.style.height = `${this.#items.length * this.#height}px`
    if (moved !== 0) this.#window.scrollTop += moved
    const { scrollTop, clientHeight } = this.#window
    const first = Math.max(0, Math.floor(scrollTop / this.#height) - 4)
    const last = Math.min(
      this.#items.length,
      Math.ceil((scrollTop + clientHeight) / this.#height) + 4
    )
    const wanted = new Map()
    for (let at = first; at < last; at++) wanted.set(this.#items[at].key, at)
    const spare = []
    for (const [key, row] of this.#rows) {
      if (wanted.has(key)) continue
      this.#rows.delete(key)
      // Removed first: moving a row that has the focus would take the focus away.
      row.node.remove()
      spare.push(row)
    }
    let previous = null
    for (const [key, at] of wanted) {
      let row = this.#rows.get(key)
      if (!row) {
        row = spare.pop() ?? { node: this.#make() }
        row.item = undefined
        this.#rows.set(key, row)
      }
      const item = this.#items[at]
      if (row.item !== item) {
        row.item = item
        this.#fill(row.node, item)
      }
      if (row.at !== at || row.height !== this.#height) {
        row.at = at
        row.height = this.#height
        row.node.style.transform = `translateY(${at * this.#height}px)`
        row.node.setAttribute('aria-posinset', at + 1)
      }
      if (row.size !== this.#items.length) {
        row.size = this.#items.length
        row.node.setAttribute('aria-setsize', row.size)
      }
      // The nodes follow the order of the list, for keyboard navigation.
      const place = previous ? previous.nextSibling : this.#body.firstChild
      if (row.node !== place) this.#body.insertBefore(row.node, place)
      previous = row.node
    }
  }

  /** The existing rows, with their items. */
  get rows() {
    return this.#rows.values()
  }
}
