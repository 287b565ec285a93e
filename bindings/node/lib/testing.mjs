// The exports of `import 'sastaotp/testing'`: the same objects as for `require`.

import testing from './testing.js'

export const { Sandbox } = testing
