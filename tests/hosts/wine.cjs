// Loaded by Node for Windows under Wine 8, whose sockets have no keep-alive time: without this file
// `fetch`, which sets that time, cannot connect.

require('node:net').Socket.prototype.setKeepAlive = function () {
  return this
}
