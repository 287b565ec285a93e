// The exports of `require('sastaotp')`.

require('./bundled.js')
const { Activation, Lease } = require('./activation.js')
const { Client } = require('./client.js')
const { classes } = require('./errors.js')
const { Intent } = require('./intent.js')

module.exports = { Client, Activation, Lease, Intent, ...classes }
