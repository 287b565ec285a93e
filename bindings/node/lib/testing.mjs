// The same objects as `require('sastaotp/testing')` gives.

import testing from './testing.js'

export const { Sandbox } = testing
