// Lets the functions of koffi with which the package reads results fail. Import it first.

import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)
const koffi = require('koffi/indirect')

/** How each function fails: an error that it throws, or a function of the text that it reads. */
export const faults = {
  /** Electron forbids JavaScript to read memory that is not its own. */
  view: new Error('External buffers are not allowed'),
  string: () => undefined
}

require.cache[require.resolve('koffi/indirect')].exports = {
  ...koffi,
  view(...args) {
    if (faults.view) throw faults.view
    return koffi.view(...args)
  },
  decode: {
    string(...args) {
      const text = koffi.decode.string(...args)
      const error = faults.string(text)
      if (error) throw error
      return text
    }
  }
}
