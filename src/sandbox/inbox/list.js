// A long list in a window of its own: only the rows that can be seen exist.

class List {
  #window
  #body
  #height
  #items = []
  #rows = new Map()
  #make
  #fill

  /**
   * `make` builds an empty row, `fill` puts an item into it. An item has a `key`, and one that changes is another object.
   * The height of a row is `--row` of the stylesheet.
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

  /** Shows these items. What is read or has the focus stays where it is when others come before it. */
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
      // Out of the way: a row that has the focus would lose it by being moved.
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
      // The order of the elements is that of the list, for those who walk by keys.
      const place = previous ? previous.nextSibling : this.#body.firstChild
      if (row.node !== place) this.#body.insertBefore(row.node, place)
      previous = row.node
    }
  }

  /** The rows that exist, with their items. */
  get rows() {
    return this.#rows.values()
  }
}
