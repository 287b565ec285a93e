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

  /** Shows these items. Who has scrolled down keeps seeing the same rows when others come on top. */
  show(items) {
    const anchor = this.#window.scrollTop > 0 && this.#items[Math.floor(this.#window.scrollTop / this.#height)]
    const moved = anchor ? items.findIndex((item) => item.key === anchor.key) : -1
    const before = anchor ? this.#items.indexOf(anchor) : 0
    this.#items = items
    this.#body.style.height = `${items.length * this.#height}px`
    if (moved > before) this.#window.scrollTop += (moved - before) * this.#height
    this.draw()
  }

  draw() {
    const { scrollTop, clientHeight } = this.#window
    const first = Math.max(0, Math.floor(scrollTop / this.#height) - 4)
    const last = Math.min(this.#items.length, Math.ceil((scrollTop + clientHeight) / this.#height) + 4)
    const wanted = new Map()
    for (let at = first; at < last; at++) wanted.set(this.#items[at].key, at)
    const spare = []
    for (const [key, row] of this.#rows) {
      if (wanted.has(key)) continue
      this.#rows.delete(key)
      // The row that has the focus goes only with its item.
      if (row.node.contains(document.activeElement)) document.activeElement.blur()
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
    for (const row of spare) row.node.remove()
  }

  /** The rows that exist, with their items. */
  get rows() {
    return this.#rows.values()
  }
}
